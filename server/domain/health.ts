/** @file Whether this process can do its work: database, engine, disk. */
import fs from "node:fs/promises";
import { sql } from "drizzle-orm";
import { log } from "../log";
import type { ProcessState } from "../process-state";
import type { TrainerStatus } from "../runs/embedded-trainer";
import { liveChannel } from "./channels";

export type Health = {
  /** `ok`: people can chat, now or once the engine has loaded. */
  status: "ok" | "starting" | "draining" | "failing";
  database: "ok" | "failing";
  /** State of the live policy's engine. */
  engine: "ready" | "loading" | "restarting" | "failed" | "none";
  /** The trainer of this machine; it starts when there is a run for it. */
  trainer: TrainerStatus["state"] | "off";
  disk: { status: "ok" | "full"; freeMegabytes: number };
};

/** Below this, databases begin to fail in ways that are hard to read. */
const leastFreeBytes = 200e6;
const databaseTimeoutMs = 2_000;

export async function readHealth(state: ProcessState, dataFolder: string): Promise<Health> {
  const [database, freeBytes] = await Promise.all([askDatabase(state), readFreeBytes(dataFolder)]);
  const engine = readEngine(state);
  const disk = freeBytes < leastFreeBytes ? "full" : "ok";
  const isFailing = database === "failing" || engine === "failed" || disk === "full";
  return {
    status: state.phase === "serving" ? (isFailing ? "failing" : "ok") : state.phase,
    database,
    engine,
    trainer: state.trainer?.status().state ?? "off",
    disk: { status: disk, freeMegabytes: Math.floor(freeBytes / 1e6) },
  };
}

async function askDatabase({ db }: ProcessState): Promise<Health["database"]> {
  if (!db) return "failing";
  const timeout = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("the database did not answer in time")), databaseTimeoutMs).unref();
  });
  try {
    await Promise.race([db.execute(sql`select 1`), timeout]);
    return "ok";
  } catch (err) {
    log.error({ err }, "health check: database");
    return "failing";
  }
}

function readEngine({ chat }: ProcessState): Health["engine"] {
  if (!chat) return "none";
  try {
    const state = chat.generation.stateOf(chat.generation.resolve({ channel: liveChannel }))?.state;
    return state === undefined || state === "closed" ? "none" : state;
  } catch {
    return "none";
  }
}

async function readFreeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await fs.statfs(folder);
  return bavail * bsize;
}
