/** @file `attune worker`: this machine trains for an Attune elsewhere. */
import path from "node:path";
import type { Command } from "commander";
import { defaultTrainerThreads, loadEnv } from "@/server/env";
import { projectRoot } from "@/server/project-root";
import { lowerPriority } from "../training/lower-priority";
import { Refused } from "../training/protocol-client";
import { runWorker } from "../training/run-worker";
import { attuneVersions } from "../training/versions";
import { CommandFailure } from "./failure";
import { interruptible } from "./interruptible";

type Flags = { url: string; token?: string; threads: number; folder?: string };

export function addWorkerCommand(program: Command): void {
  program
    .command("worker")
    .description("train for a server: claim its runs, one after the other, until Ctrl-C")
    .requiredOption("--url <url>", "of the server: https://chat.example.org")
    .option(
      "--token <token>",
      "from Runs → Workers; better in ATTUNE_WORKER_TOKEN, where `ps` does not show it",
    )
    .option("--threads <n>", "for runs that have no number of their own yet", Number, defaultTrainerThreads())
    .option("--folder <folder>", "for downloads and checkpoints; one for each worker (default: data/worker)")
    .action(work);
}

async function work({ url, token = process.env.ATTUNE_WORKER_TOKEN, threads, folder }: Flags): Promise<void> {
  if (!token) throw new CommandFailure("A token is needed: --token or ATTUNE_WORKER_TOKEN.", 2);
  if (!URL.canParse(url))
    throw new CommandFailure(`--url ${url} is no address. Write it as https://host.`, 2);
  if (!Number.isInteger(threads) || threads < 1) throw new CommandFailure("--threads must be 1 or more.", 2);
  lowerPriority();
  using stop = interruptible();
  console.log(`Asking ${url} for runs. Ctrl-C saves and gives the run back.`);
  try {
    await runWorker({
      url,
      token,
      folder: path.resolve(folder ?? path.join(loadEnv().ATTUNE_DATA, "worker")),
      threads,
      stageEntry: path.join(projectRoot, "dist", "stage.js"),
      isEmbedded: false,
      versions: attuneVersions(),
      idleSeconds: null,
      stop: stop.signal,
      say: (line) => console.log(line),
    });
  } catch (error) {
    if (error instanceof Refused) throw new CommandFailure(error.message, 1, { cause: error });
    throw error;
  }
}
