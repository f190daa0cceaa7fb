/** @file A policy loaded into this process, for commands that generate without the server. */
import path from "node:path";
import type { Command } from "commander";
import { loadGenerator } from "@/model/runtime/generator";
import type { Generator } from "@/model/runtime/types";
import { defaultThreads, type Env, loadEnv } from "@/server/env";
import { ensureModel } from "@/server/models/ensure-model";
import { basePlaces } from "@/server/models/model-library";
import { takeNamedModel } from "@/server/models/named-model";
import { terminalReport } from "./terminal-report";

export type PolicyFlags = { model?: string; precision?: Env["ATTUNE_PRECISION"]; threads?: string };

export function addPolicyOptions(command: Command): Command {
  return command
    .option(
      "--model <model>",
      "name in data/models, folder, .gguf file or hub id (default: what the server takes)",
    )
    .option("--precision <form>", "fp32, int8 or int4 (default: ATTUNE_PRECISION)")
    .option("--threads <count>", "threads that compute (default: ATTUNE_THREADS, else all cores)");
}

/** Finds, converts and loads the model that the flags or the environment name. */
export async function loadPolicy(flags: PolicyFlags, signal: AbortSignal): Promise<Generator> {
  const env = loadEnv({
    ...process.env,
    ...(flags.precision && { ATTUNE_PRECISION: flags.precision }),
    ...(flags.threads && { ATTUNE_THREADS: flags.threads }),
  });
  const report = terminalReport("terminal");
  const { folder } = flags.model
    ? await takeNamedModel({ name: flags.model, env, report, signal })
    : await ensureModel(env, report, { signal });
  return loadGenerator(folder, {
    precision: env.ATTUNE_PRECISION,
    threads: env.ATTUNE_THREADS ?? defaultThreads(),
    slots: 1,
    cacheFolder: path.join(env.ATTUNE_DATA, "cache", "serving"),
    basePlaces: basePlaces(env.ATTUNE_DATA),
  });
}
