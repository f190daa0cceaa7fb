/** @file Databases for tests: real migrations, in memory by default, and on PostgreSQL where TEST_DATABASE_URL names one. */
import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { drizzle as drizzleNodePostgres } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { Client, Pool } from "pg";
import { describe } from "vitest";
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

/** A migrated, otherwise empty database of its own. `await using` it. */
export async function testDatabase(home: DatabaseHome = "pglite"): Promise<TestDatabase> {
  return home === "pglite" ? openMemory() : openPostgres(await createFromTemplate());
}

/** A database of its own without any table; `url` where it is external. */
export async function emptyDatabase(home: DatabaseHome = "pglite"): Promise<TestDatabase & { url?: string }> {
  if (home === "pglite") return wrapMemory(await PGlite.create({ loadDataDir: await snapshot("empty") }));
  const name = newName();
  await administer(`create database ${name}`);
  return { ...openPostgres(name), url: urlOf(name) };
}

async function openMemory(): Promise<TestDatabase> {
  return wrapMemory(await PGlite.create({ loadDataDir: await snapshot("migrated") }));
}

function wrapMemory(client: PGlite): TestDatabase {
  return {
    db: drizzlePglite({ client, ...drizzleOptions }),
    home: "pglite",
    [Symbol.asyncDispose]: () => client.close(),
  };
}

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
    if (state === "migrated") await migrateDatabase(drizzlePglite({ client, ...drizzleOptions }));
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
  await migrateDatabase(drizzleNodePostgres({ client: pool, ...drizzleOptions }));
  await pool.end();
  await client.query(`alter database ${draft} rename to ${template}`);
}

function openPostgres(name: string): TestDatabase {
  const pool = new Pool({ connectionString: urlOf(name), max: 4 });
  pool.on("error", () => {});
  const db: Db = drizzleNodePostgres({ client: pool, ...drizzleOptions });
  return {
    db,
    home: "postgres",
    async [Symbol.asyncDispose]() {
      await pool.end();
      await administer(`drop database if exists ${name} with (force)`);
    },
  };
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

async function withAdministration(work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: testDatabaseUrl });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
