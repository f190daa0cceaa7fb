/** @file The database for one command, where no server runs; the lock sees to that. */

import { migrateDatabase } from "@/server/db/migrate-database";
import { type OpenDatabase, openDatabase } from "@/server/db/open-database";
import { loadEnv } from "@/server/env";

/** @throws {DataFolderLockedError} while a server or another command holds the data folder */
export async function withDatabase<T>(
  purpose: string,
  work: (opened: OpenDatabase) => Promise<T>,
): Promise<T> {
  const env = loadEnv();
  await using opened = await openDatabase({
    dataFolder: env.ATTUNE_DATA,
    databaseUrl: env.DATABASE_URL,
    purpose,
  });
  await migrateDatabase(opened.db);
  return await work(opened);
}
