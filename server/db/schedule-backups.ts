/** @file Backups on a schedule, inside the web process; on the embedded database they are what survives power loss. */
import fs from "node:fs/promises";
import path from "node:path";
import { log } from "../log";
import { listScheduledBackups, makeScheduledBackup } from "./backup";
import type { Db } from "./db";
import { backupsFolder } from "./prepare-database";

const hourMs = 60 * 60 * 1000;
/** After a failure (a full disk) it is tried again this soon. */
const retryMs = hourMs;
/** The first minutes belong to people: on the embedded database everything waits while its rows are dumped. */
const defaultFirstAfterMs = 5 * 60 * 1000;
/** setTimeout takes no more. */
const maxTimerMs = 2_147_483_647;

export type BackupSchedule = {
  db: Db;
  dataFolder: string;
  /** 0 = never. */
  everyHours: number;
  keep: number;
  /** The earliest, from now. */
  firstAfterMs?: number | undefined;
};

/**
 * Makes one when the newest is older than `everyHours`, but none in the first minutes, and so on until disposed. Waits for
 * one in the making.
 */
export function scheduleBackups({
  db,
  dataFolder,
  everyHours,
  keep,
  firstAfterMs = defaultFirstAfterMs,
}: BackupSchedule): AsyncDisposable {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = everyHours === 0;
  let running: Promise<void> = Promise.resolve();
  const plan = (waitMs: number) => {
    if (isStopped) return;
    timer = setTimeout(
      () => {
        running = run();
      },
      Math.min(waitMs, maxTimerMs),
    ).unref();
  };
  const run = async () => {
    try {
      const waitMs = await millisecondsUntilDue(dataFolder, everyHours);
      if (waitMs > 0) return plan(waitMs);
      const startedAt = Date.now();
      const { folder, sizeBytes } = await makeScheduledBackup(db, { dataFolder, keep });
      log.info({ folder, sizeBytes, durationMs: Date.now() - startedAt }, "backup made");
      plan(everyHours * hourMs);
    } catch (err) {
      log.error({ err }, "the scheduled backup failed; it is tried again in an hour");
      plan(retryMs);
    }
  };
  plan(firstAfterMs);
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

async function millisecondsUntilDue(dataFolder: string, everyHours: number): Promise<number> {
  const [newest] = await listScheduledBackups(dataFolder);
  if (!newest) return 0;
  const { mtimeMs } = await fs.stat(path.join(backupsFolder(dataFolder), newest));
  return mtimeMs + everyHours * hourMs - Date.now();
}
