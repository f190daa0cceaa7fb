/** @file Databases for tests: real migrations, in memory by default, and on PostgreSQL where TEST_DATABASE_URL names one. */
import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { sql } from "drizzle-orm";
import { drizzle as drizzleNodePostgres } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { Client, Pool } from "pg";
import { afterAll, describe } from "vitest";
import * as schema from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { migrateDatabase, readMigrations } from "@/server/db/migrate-database";
import type { DatabaseHome } from "@/server/db/open-database";

export type TestDatabase = AsyncDisposable & { db: Db; home: DatabaseHome };

const drizzleOptions = { schema, casing: "snake_case" } as const;
const testDatabaseUrl = process.env.TEST_DATABASE_URL;

/** The homes this run can test on. */
export const databaseHomes: DatabaseHome[] = testDatabaseUrl ? ["pglite", "postgres"] : ["pglite"];

/** Runs a suite once per home: `describeEachDatabase("people", (home) => { … await using t = await testDatabase(home) … })`. */
export function describeEachDatabase(name: string, suite: (home: DatabaseHome) => void): void {
  describe.each(databaseHomes)(`${name} on %s`, (home) => suite(home));
}

/**
 * A migrated, otherwise empty database of its own. `await using` it.
 * Opening one takes a second, emptying it a tenth: the next test of the file is given it again. What a test left running finds its
 * database closed all the same. Changed tables and migrations stay as they are: a test that changes those takes `emptyDatabase`.
 */
export async function testDatabase(home: DatabaseHome = "pglite"): Promise<TestDatabase> {
  return home === "pglite" ? lendMemory() : lendPostgres();
}

/** A database of its own without any table; `url` where it is external. */
export async function emptyDatabase(home: DatabaseHome = "pglite"): Promise<TestDatabase & { url?: string }> {
  if (home === "pglite") {
    const client = await PGlite.create({ loadDataDir: await snapshot("empty") });
    return { db: onMemory(client), home, [Symbol.asyncDispose]: () => client.close() };
  }
  const name = newName();
  await administer(`create database ${name}`);
  const { close, ...opened } = openPostgres(name);
  return {
    ...opened,
    url: urlOf(name),
    async [Symbol.asyncDispose]() {
      await close();
      await dropPostgres(name);
    },
  };
}

/** What tests of this file are done with, emptied. */
const idle = { memory: [] as PGlite[], postgres: [] as string[] };

afterAll(async () => {
  for (const client of idle.memory.splice(0)) await client.close();
  for (const name of idle.postgres.splice(0)) await dropPostgres(name);
});

async function lendMemory(): Promise<TestDatabase> {
  const client = idle.memory.pop() ?? (await PGlite.create({ loadDataDir: await snapshot("migrated") }));
  const { lent, takeBack } = lend(client);
  return {
    db: onMemory(lent),
    home: "pglite",
    async [Symbol.asyncDispose]() {
      takeBack();
      if (client.closed) return;
      await emptyTables(onMemory(client));
      idle.memory.push(client);
    },
  };
}

/** A client that refuses every call once it was taken back. */
function lend(client: PGlite): { lent: PGlite; takeBack: () => void } {
  let over = false;
  const lent = new Proxy(client, {
    get(target, key) {
      if (over) throw new Error("The test that had this database is over.");
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return {
    lent,
    takeBack: () => {
      over = true;
    },
  };
}

async function lendPostgres(): Promise<TestDatabase> {
  const name = idle.postgres.pop() ?? (await createFromTemplate());
  const { close, ...opened } = openPostgres(name);
  return {
    ...opened,
    async [Symbol.asyncDispose]() {
      await close();
      await withAdministration((client) => emptyTables(onPostgres(client)), name);
      idle.postgres.push(name);
    },
  };
}

/** Leaves the list of migrations, and counts from 1 again. */
async function emptyTables(db: Db): Promise<void> {
  const { rows } = await db.execute<{ statement: string }>(sql`
    select format('delete from %I', tablename) as statement from pg_tables
      where schemaname = 'public' and tablename <> 'migrations'
    union all
    select format('alter sequence %I restart', sequencename) from pg_sequences
      where schemaname = 'public' and sequencename not like 'migrations%'`);
  // As a replica: neither foreign keys nor what keeps the audit log from being changed are asked.
  const statements = [
    "set session_replication_role = replica",
    ...rows.map(({ statement }) => statement),
    "reset session_replication_role",
  ];
  await db.execute(sql.raw(`do $$ begin ${statements.map((statement) => `${statement};`).join(" ")} end $$`));
  await db.execute(sql`discard all`);
}

const onMemory = (client: PGlite): Db => drizzlePglite({ client, ...drizzleOptions });
const onPostgres = (client: Client | Pool): Db => drizzleNodePostgres({ client, ...drizzleOptions });

const snapshots = new Map<string, Promise<Blob>>();

/** A data folder, made once per state of the migrations and shared by all test processes: initdb takes seconds. */
function snapshot(state: "empty" | "migrated"): Promise<Blob> {
  const known = snapshots.get(state) ?? readOrMakeSnapshot(state);
  snapshots.set(state, known);
  return known;
}

async function readOrMakeSnapshot(state: "empty" | "migrated"): Promise<Blob> {
  const key = state === "empty" ? "empty" : migrationsKey();
  const file = path.join(os.tmpdir(), `attune-test-${os.userInfo().username}-${key}.tar`);
  try {
    return new Blob([await fs.readFile(file)]);
  } catch {
    const client = await PGlite.create();
    if (state === "migrated") await migrateDatabase(onMemory(client));
    const dump = await client.dumpDataDir("none");
    await client.close();
    const draft = `${file}.${randomUUID()}`;
    await fs.writeFile(draft, Buffer.from(await dump.arrayBuffer()), { mode: 0o600 });
    await fs.rename(draft, file);
    return dump;
  }
}

function migrationsKey(): string {
  return readMigrations()
    .map(({ hash }) => hash.slice(0, 6))
    .join("");
}

/** Copying a template takes a tenth of migrating. */
async function createFromTemplate(): Promise<string> {
  const template = `attune_template_${migrationsKey()}`.slice(0, 63);
  const name = newName();
  await withAdministration(async (client) => {
    // Test processes run side by side: one makes the template, the others wait.
    await client.query("select pg_advisory_lock(4711)");
    const { rowCount } = await client.query("select from pg_database where datname = $1", [template]);
    if (!rowCount) await makeTemplate(client, template);
    await client.query(`create database ${name} template ${template}`);
    await client.query("select pg_advisory_unlock(4711)");
  });
  return name;
}

async function makeTemplate(client: Client, template: string): Promise<void> {
  const draft = newName();
  await client.query(`create database ${draft}`);
  const pool = new Pool({ connectionString: urlOf(draft), max: 1 });
  await migrateDatabase(onPostgres(pool));
  await pool.end();
  await client.query(`alter database ${draft} rename to ${template}`);
}

function openPostgres(name: string): { db: Db; home: DatabaseHome; close: () => Promise<void> } {
  const pool = new Pool({ connectionString: urlOf(name), max: 4 });
  pool.on("error", () => {});
  return { db: onPostgres(pool), home: "postgres", close: () => pool.end() };
}

const newName = () => `attune_test_${randomUUID().replaceAll("-", "")}`;

function urlOf(name: string): string {
  if (!testDatabaseUrl) throw new Error("TEST_DATABASE_URL names no PostgreSQL.");
  const url = new URL(testDatabaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}

const administer = (statement: string) =>
  withAdministration(async (client) => {
    await client.query(statement);
  });

const dropPostgres = (name: string) => administer(`drop database if exists ${name} with (force)`);

/** @param name the database to be connected to; without it that of TEST_DATABASE_URL */
async function withAdministration(work: (client: Client) => Promise<void>, name?: string): Promise<void> {
  const client = new Client({ connectionString: name ? urlOf(name) : testDatabaseUrl });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
