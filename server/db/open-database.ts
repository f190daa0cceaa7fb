/** @file Opens the database in whichever home it has: embedded in the data folder, or an external PostgreSQL. */
import fs from "node:fs";
import path from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { sql } from "drizzle-orm";
import { drizzle as drizzleNodePostgres } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { Pool } from "pg";
import * as schema from "@/drizzle/schema";
import { log } from "../log";
import { lockDataFolder } from "./data-folder-lock";
import type { Db } from "./db";

export type DatabaseHome = "pglite" | "postgres";

export type OpenDatabase = AsyncDisposable & {
  db: Db;
  home: DatabaseHome;
  /** Closes the database, then gives the data folder back. Safe to call twice. */
  close(): Promise<void>;
};

export type DatabaseOptions = {
  /** ATTUNE_DATA */
  dataFolder: string;
  /** DATABASE_URL; undefined = embedded. */
  databaseUrl?: string | undefined;
  /** Who holds the folder, for whoever is refused. */
  purpose: string;
};

/** The database did not open. The message says which and what to look at. */
export class DatabaseUnavailableError extends Error {
  override readonly name = "DatabaseUnavailableError";
}

const drizzleOptions = { schema, casing: "snake_case" } as const;
const connectTimeoutMs = 10_000;

/**
 * Takes the lock on the data folder, then opens the database in it or behind `databaseUrl`. Migrates nothing.
 * @throws {DataFolderLockedError} while another process holds the folder
 * @throws {DatabaseUnavailableError} when PostgreSQL does not answer or is too old, or the embedded folder is damaged
 */
export async function openDatabase({
  dataFolder,
  databaseUrl,
  purpose,
}: DatabaseOptions): Promise<OpenDatabase> {
  const lock = lockDataFolder(dataFolder, purpose);
  try {
    if (fs.existsSync(restoreMarker(dataFolder))) {
      throw new DatabaseUnavailableError(
        `A restore into ${dataFolder} was cut before its end. Run it again: npx attune restore <backup>.`,
      );
    }
    const opened = await openUnlocked(
      databaseUrl ? { databaseUrl } : { folder: path.join(dataFolder, "db") },
    );
    return closeOnce(opened, () => lock[Symbol.dispose]());
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** There while a restore is under way. */
export const restoreMarker = (dataFolder: string) => path.join(dataFolder, "restoring.json");

/** For those who hold the lock themselves. `folder`: of the embedded database. The caller calls `end`. */
export function openUnlocked(place: { databaseUrl: string } | { folder: string }): Promise<Opened> {
  return "folder" in place ? openPglite(place.folder) : openPostgres(place.databaseUrl);
}

export type Opened = { db: Db; home: DatabaseHome; end: () => Promise<void> };

function closeOnce({ db, home, end }: Opened, release: () => void): OpenDatabase {
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= end().finally(release);
    return closing;
  };
  return { db, home, close, [Symbol.asyncDispose]: close };
}

async function openPglite(folder: string): Promise<Opened> {
  fs.mkdirSync(folder, { recursive: true });
  try {
    const client = await PGlite.create(folder);
    return { db: drizzlePglite({ client, ...drizzleOptions }), home: "pglite", end: () => client.close() };
  } catch (cause) {
    throw new DatabaseUnavailableError(
      `The embedded database in ${folder} does not open. Move that folder away and restore a backup: ` +
        "npx attune restore <backup>. Backups lie in the folder backups beside it.",
      { cause },
    );
  }
}

async function openPostgres(url: string): Promise<Opened> {
  const pool = new Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: connectTimeoutMs,
    // A transaction that was forgotten must not hold its locks for ever.
    idle_in_transaction_session_timeout: 60_000,
    application_name: "attune",
  });
  // Without a listener the loss of an idle connection would end the process.
  pool.on("error", (err) => log.warn({ err }, "a database connection was lost"));
  const db: Db = drizzleNodePostgres({ client: pool, ...drizzleOptions });
  try {
    await assertVersion(db);
  } catch (cause) {
    await pool.end();
    if (cause instanceof DatabaseUnavailableError) throw cause;
    throw new DatabaseUnavailableError(
      `PostgreSQL at ${describeUrl(url)} does not answer: ${reason(cause)}. Is it running, and is DATABASE_URL right?`,
      { cause },
    );
  }
  return { db, home: "postgres", end: () => pool.end() };
}

const oldestVersion = 15;

async function assertVersion(db: Db): Promise<void> {
  const result = await db.execute<{ version: string }>(
    sql`select current_setting('server_version_num') as version`,
  );
  const version = Math.floor(Number(result.rows[0]?.version) / 10_000);
  if (version >= oldestVersion) return;
  throw new DatabaseUnavailableError(
    `PostgreSQL ${version} is too old: Attune needs ${oldestVersion} or newer.`,
  );
}

/** Host and database, without user and password. */
function describeUrl(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}

function reason(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause) innermost = innermost.cause;
  if (innermost instanceof AggregateError) innermost = innermost.errors[0];
  return innermost instanceof Error ? innermost.message || innermost.name : "unknown reason";
}
