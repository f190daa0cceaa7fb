/** @file Brings an opened database up to date, with a dump on disk before anything is changed. */
import path from "node:path";
import { log } from "../log";
import { writeDurably } from "./durable-file";
import { dumpDatabase } from "./logical-dump";
import { migrateDatabase } from "./migrate-database";
import type { OpenDatabase } from "./open-database";

export const backupsFolder = (dataFolder: string) => path.join(dataFolder, "backups");
export const dumpSuffix = ".jsonl.gz";

/**
 * Migrates. A database that holds data is dumped first, to `backups/before-upgrade-<time>.jsonl.gz`; when that fails
 * nothing is changed. `attune restore` takes such a file.
 * @throws {DatabaseVersionError} when the database is newer than this program
 */
export async function prepareDatabase({ db }: OpenDatabase, dataFolder: string): Promise<void> {
  const file = path.join(backupsFolder(dataFolder), `before-upgrade-${timestamp()}${dumpSuffix}`);
  const applied = await migrateDatabase(db, {
    beforeChange: async () => {
      await writeDurably(file, async (draft) => {
        await dumpDatabase(db, draft);
      });
      log.info({ file }, "database dumped before its migration");
    },
  });
  if (applied.length > 0) log.info({ migrations: applied }, "database migrated");
}

/** 2026-11-23T20-13-27-123Z: sorts by time, and every file system takes it. */
export function timestamp(moment = new Date()): string {
  return moment.toISOString().replace(/[:.]/g, "-");
}
