/** @file The whole database as one compressed text file, the same for both homes: what leaves one enters the other. */
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Db, Tx } from "./db";
import {
  type AppliedMigration,
  appVersion,
  DatabaseVersionError,
  type Migration,
  migrateDatabase,
  readApplied,
  readMigrations,
} from "./migrate-database";

/*
 * One JSON value a line: the header; then for every table its name, followed by its rows as the database itself writes
 * them (row_to_json); at last the end with the number of rows, so that a cut file is noticed.
 */
const headerSchema = z.object({
  format: z.literal("attune-database-1"),
  appVersion: z.string(),
  migrations: z.array(z.object({ name: z.string(), hash: z.string(), appVersion: z.string() })),
});
const markerSchema = z.union([
  z.object({ table: z.string() }),
  z.object({ end: z.object({ rows: z.int() }) }),
]);
/** Rows stay text from database to database: JavaScript would round their large numbers. */
const rowStart = '{"row":';

/** A dump that cannot be read back: cut, damaged, or made of something else. */
export class DumpError extends Error {
  override readonly name = "DumpError";
}

const rowsPerPage = 100;
const maxBatchCharacters = 4_000_000;

/**
 * Writes all rows as of one moment. Other writers go on meanwhile on PostgreSQL; on the embedded home they wait.
 * @throws whatever writing throws (a full disk); the file is then worthless and the caller removes it
 */
export async function dumpDatabase(db: Db, file: string): Promise<{ rows: number }> {
  let rows = 0;
  await db.transaction(
    async (tx) => {
      const parts = writeLines(tx, (count) => {
        rows += count;
      });
      await pipeline(parts, createGzip({ level: 4 }), createWriteStream(file, { mode: 0o600, flush: true }));
    },
    { isolationLevel: "repeatable read", accessMode: "read only" },
  );
  return { rows };
}

async function* writeLines(tx: Tx, onRows: (count: number) => void): AsyncGenerator<string> {
  let rows = 0;
  const header: z.infer<typeof headerSchema> = {
    format: "attune-database-1",
    appVersion: appVersion(),
    migrations: await readApplied(tx),
  };
  yield `${JSON.stringify(header)}\n`;
  for (const table of await listTables(tx)) {
    yield `${JSON.stringify({ table })}\n`;
    for await (const page of readRows(tx, table)) {
      rows += page.length;
      onRows(page.length);
      yield page.map((row) => `${rowStart}${row}}\n`).join("");
    }
  }
  yield `${JSON.stringify({ end: { rows } })}\n`;
}

/** Rows as JSON text, through a cursor: a big table never lies in memory at once. */
async function* readRows(tx: Tx, table: string): AsyncGenerator<string[]> {
  const name = sql.identifier(table);
  await tx.execute(
    sql`declare dump_rows cursor for select row_to_json(t)::text as row from public.${name} t`,
  );
  for (;;) {
    const { rows } = await tx.execute<{ row: string }>(sql.raw(`fetch ${rowsPerPage} from dump_rows`));
    if (rows.length > 0) yield rows.map(({ row }) => row);
    if (rows.length < rowsPerPage) break;
  }
  await tx.execute(sql`close dump_rows`);
}

async function listTables(tx: Tx): Promise<string[]> {
  const { rows } = await tx.execute<{ name: string }>(sql`
    select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> 'migrations'
    order by relname`);
  return rows.map(({ name }) => name);
}

/**
 * Fills an empty database: migrates it to the dump's version, loads the rows, then migrates it up to this program's.
 * All in one transaction: a dump that turns out damaged leaves the database as empty as it was.
 * @throws {DumpError} for a damaged dump, or a database that is not empty
 * @throws {DatabaseVersionError} for a dump by a newer program
 */
export async function loadDatabase(db: Db, file: string): Promise<{ rows: number }> {
  if ((await readApplied(db)).length > 0) {
    throw new DumpError(
      "The database to restore into is not empty. Name an empty one, or an empty data folder.",
    );
  }
  await checkWhole(file);
  return db.transaction(async (tx) => {
    const lines = readLines(file);
    const header = headerSchema.safeParse(parseLine((await lines.next()).value));
    if (!header.success) throw new DumpError(`${file} is no dump of an Attune database.`);
    await migrateDatabase(tx, { migrations: migrationsOf(header.data) });
    const constraints = await dropForeignKeys(tx);
    const rows = await loadRows(tx, lines, file);
    await addForeignKeys(tx, constraints);
    await restartIdentities(tx);
    await migrateDatabase(tx);
    return { rows };
  });
}

/** Our migrations up to where the dump was. */
function migrationsOf(header: z.infer<typeof headerSchema>): Migration[] {
  const ours = readMigrations();
  const unknown = header.migrations.find(
    ({ name, hash }) => !ours.some((migration) => migration.name === name && migration.hash === hash),
  );
  if (unknown) {
    throw new DatabaseVersionError(
      `The dump was made by Attune ${header.appVersion} (at ${describe(header.migrations)}), which is newer than this ` +
        `Attune ${appVersion()} (at ${describe(ours)}). Restore it with Attune ${header.appVersion} or newer.`,
    );
  }
  return ours.slice(0, header.migrations.length);
}

const describe = (migrations: Pick<AppliedMigration, "name">[]) => migrations.at(-1)?.name ?? "nothing";

/** @throws {DumpError} for a file that is damaged or not compressed */
async function* readLines(file: string): AsyncGenerator<string, undefined> {
  const source = createReadStream(file);
  const unzipped = source.pipe(createGunzip());
  source.on("error", (error) => unzipped.destroy(error));
  let rest = "";
  try {
    for await (const text of unzipped.setEncoding("utf8")) {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (cause) {
    throw new DumpError(`${file} is damaged: it cannot be read to its end.`, { cause });
  } finally {
    source.destroy();
    unzipped.destroy();
  }
  return undefined;
}

/** Reads to the end, so that the checksum is seen before the first row goes in. @throws {DumpError} */
async function checkWhole(file: string): Promise<void> {
  let last = "";
  for await (const line of readLines(file)) last = line;
  if (!markerSchema.safeParse(parseLine(last)).success)
    throw new DumpError(`${file} is cut: its end is missing.`);
}

async function loadRows(tx: Tx, lines: AsyncGenerator<string, undefined>, file: string): Promise<number> {
  const known = new Set(await listTables(tx));
  let table: string | null = null;
  let batch: string[] = [];
  let batchCharacters = 0;
  let rows = 0;
  const flush = async () => {
    if (table !== null && batch.length > 0) await insertRows(tx, table, batch);
    batch = [];
    batchCharacters = 0;
  };
  for await (const line of lines) {
    if (line.startsWith(rowStart)) {
      batch.push(line.slice(rowStart.length, -1));
      batchCharacters += line.length;
      rows += 1;
      if (batch.length >= rowsPerPage || batchCharacters > maxBatchCharacters) await flush();
      continue;
    }
    await flush();
    const marker = markerSchema.safeParse(parseLine(line));
    if (!marker.success) throw new DumpError(`${file} is damaged after row ${rows}.`);
    if ("table" in marker.data) {
      if (!known.has(marker.data.table))
        throw new DumpError(`${file} holds a table this program does not know.`);
      table = marker.data.table;
    } else {
      const { end } = marker.data;
      if (end.rows !== rows)
        throw new DumpError(`${file} is damaged: ${rows} of ${end.rows} rows are there.`);
      return rows;
    }
  }
  throw new DumpError(`${file} is cut: its end is missing.`);
}

function parseLine(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? "");
  } catch {
    return null;
  }
}

async function insertRows(tx: Tx, table: string, rows: string[]): Promise<void> {
  const name = sql.identifier(table);
  await tx.execute(sql`
    insert into public.${name} overriding system value
    select * from json_populate_recordset(null::public.${name}, ${`[${rows.join(",")}]`}::json)`);
}

type Constraint = { table: string; name: string; definition: string };

/** Rows refer to each other in circles, so no order of loading would do: the references are checked afterwards, all at once. */
async function dropForeignKeys(tx: Tx): Promise<Constraint[]> {
  const { rows } = await tx.execute<Constraint>(sql`
    select conrelid::regclass::text as "table", conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace`);
  for (const { table, name } of rows) {
    await tx.execute(sql.raw(`alter table ${table} drop constraint "${name}"`));
  }
  return rows;
}

async function addForeignKeys(tx: Tx, constraints: Constraint[]): Promise<void> {
  for (const { table, name, definition } of constraints) {
    await tx.execute(sql.raw(`alter table ${table} add constraint "${name}" ${definition}`));
  }
}

/** Numbers given by the database go on after the highest one loaded. */
async function restartIdentities(tx: Tx): Promise<void> {
  const { rows } = await tx.execute<{ table: string; column: string }>(sql`
    select attrelid::regclass::text as "table", attname as "column" from pg_attribute
    join pg_class on pg_class.oid = attrelid
    where relnamespace = 'public'::regnamespace and relkind = 'r' and attidentity <> '' and relname <> 'migrations'`);
  for (const { table, column } of rows) {
    await tx.execute(
      sql.raw(
        `select setval(pg_get_serial_sequence('${table}', '${column}'), coalesce(max("${column}"), 0) + 1, false) from ${table}`,
      ),
    );
  }
}
