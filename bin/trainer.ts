/** @file The trainer: the worker that the web process starts as its child. It talks; a stage process of its own computes. */
import { fileURLToPath } from "node:url";
import type { FromTrainer, ToTrainer } from "@/server/runs/trainer-messages";
import { lowerPriority } from "./training/lower-priority";
import { runWorker } from "./training/run-worker";
import { attuneVersions } from "./training/versions";

/** Starting again costs a second; staying costs memory. */
const idleSeconds = 30;

lowerPriority();

const stopping = new AbortController();
// Ctrl-C reaches the whole process group: the web process decides when to stop.
process.on("SIGINT", () => {}).on("SIGTERM", () => stopping.abort());
// Killed without a word: nobody takes results any more, and the next server starts a trainer of its own.
process.on("disconnect", () => process.exit(1));

process.on("message", (message: ToTrainer) => {
  if (message.type === "stop") stopping.abort();
  else void work(message);
});

async function work({ url, token, folder, threads }: Extract<ToTrainer, { type: "start" }>): Promise<void> {
  let hasTrained = false;
  try {
    await runWorker({
      url,
      token,
      folder,
      threads,
      idleSeconds,
      stageEntry: fileURLToPath(new URL("./stage.js", import.meta.url)),
      isEmbedded: true,
      versions: attuneVersions(),
      stop: stopping.signal,
      say: (line) => send({ type: "log", line }),
      onState: ({ isWorking, stageBytes }) => {
        hasTrained ||= stageBytes > 0;
        const residentBytes = process.memoryUsage.rss() + stageBytes;
        send({ type: "state", isWorking, hasTrained, residentBytes });
      },
    });
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}

function send(message: FromTrainer): void {
  if (process.connected) process.send?.(message, () => {});
}
