/** @file Brings the schema up to this program's version: dump first, never onto a database of a newer program. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { sql } from "drizzle-orm";
import { z } from "zod";
import { projectRoot } from "../project-root";
import type { Db, Tx } from "./db";

export type Migration = {
  /** "0001_audit_guard" */
  name: string;
  /** sha256 of the file. */
  hash: string;
  statements: string[];
};

export type AppliedMigration = {
  name: string;
  hash: string;
  /** Version of the program that applied it. */
  appVersion: string;
};

/** The database was changed by a newer program, or by other migrations than ours. */
export class DatabaseVersionError extends Error {
  override readonly name = "DatabaseVersionError";
}

const journal = z.object({ entries: z.array(z.object({ idx: z.int(), tag: z.string() })) });
const statementBreak = "--> statement-breakpoint";

/** Migrations in order, from the folder that drizzle-kit writes. */
export function readMigrations(folder = path.join(projectRoot, "drizzle", "migrations")): Migration[] {
  const { entries } = journal.parse(
    JSON.parse(fs.readFileSync(path.join(folder, "meta", "_journal.json"), "utf8")),
  );
  return entries
    .sort((a, b) => a.idx - b.idx)
    .map(({ tag }) => {
      const text = fs.readFileSync(path.join(folder, `${tag}.sql`), "utf8");
      return {
        name: tag,
        hash: createHash("sha256").update(text).digest("hex"),
        statements: text.split(statementBreak),
      };
    });
}

/** This program's version, from package.json. */
export function appVersion(): string {
  const manifest = JSON.parse(fs.readFileSync(path.join(projectRoot, "package.json"), "utf8"));
  return z.object({ version: z.string() }).parse(manifest).version;
}

export type MigrateOptions = {
  migrations?: Migration[];
  /** Called before the first change to a database that holds data. */
  beforeChange?: (applied: AppliedMigration[]) => Promise<void>;
};

/**
 * Applies what is missing, all in one transaction.
 * @returns names of the migrations applied now
 * @throws {DatabaseVersionError} when the database is newer than `migrations`, or differs from them
 */
export async function migrateDatabase(
  db: Db,
  { migrations = readMigrations(), beforeChange }: MigrateOptions = {},
): Promise<string[]> {
  const applied = await readApplied(db);
  const pending = pendingMigrations(applied, migrations);
  if (pending.length === 0) return [];
  if (applied.length > 0) await beforeChange?.(applied);
  return db.transaction(async (tx) => {
    await lockMigrations(tx);
    // Another process may have migrated while this one waited for the lock.
    const missing = pendingMigrations(await readApplied(tx), migrations);
    await createJournal(tx);
    for (const migration of missing) await apply(tx, migration);
    return missing.map(({ name }) => name);
  });
}

/** What the database has applied, in order; empty for one that is new. */
export async function readApplied(db: Db): Promise<AppliedMigration[]> {
  // Not to_regclass: it may answer from a cache that does not know yet what another process has just committed.
  const found = await db.execute(
    sql`select from pg_catalog.pg_tables where schemaname = 'public' and tablename = 'migrations'`,
  );
  if (found.rows.length === 0) return [];
  const { rows } = await db.execute<AppliedMigration>(
    sql`select name, hash, app_version as "appVersion" from public.migrations order by position`,
  );
  return rows;
}

function pendingMigrations(applied: AppliedMigration[], migrations: Migration[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  const newest = applied.at(-1);
  const unknown = applied.find(({ name }) => !known.has(name));
  if (unknown && newest) {
    throw new DatabaseVersionError(
      `The database is newer than this program: it is at ${newest.name} (written by Attune ${newest.appVersion}), ` +
        `this is Attune ${appVersion()}, which knows migrations up to ${migrations.at(-1)?.name ?? "none"}. ` +
        `Start Attune ${newest.appVersion} or newer, or restore a backup made before the upgrade.`,
    );
  }
  const changed = applied.find(({ name, hash }) => known.get(name)?.hash !== hash);
  if (changed) {
    throw new DatabaseVersionError(
      `Migration ${changed.name} was changed after it was applied to this database (by Attune ${changed.appVersion}; ` +
        `this is Attune ${appVersion()}). Migrations are never edited: take back the change, or start from an empty database.`,
    );
  }
  const done = new Set(applied.map(({ name }) => name));
  return migrations.filter(({ name }) => !done.has(name));
}

/** Two processes that start at once on one PostgreSQL: one migrates, the other waits. */
async function lockMigrations(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('attune migrations'))`);
}

async function createJournal(tx: Tx): Promise<void> {
  await tx.execute(sql`create table if not exists public.migrations (
    position integer primary key generated always as identity,
    name text not null unique,
    hash text not null,
    app_version text not null,
    applied_at timestamptz not null default now()
  )`);
}

async function apply(tx: Tx, { name, hash, statements }: Migration): Promise<void> {
  for (const statement of statements) await tx.execute(sql.raw(statement));
  await tx.execute(
    sql`insert into public.migrations (name, hash, app_version) values (${name}, ${hash}, ${appVersion()})`,
  );
}
