/** @file Dataset snapshots as they are read: their rows, their manifest, and whether both still fit. */
import { createHash } from "node:crypto";
import { and, asc, desc, eq, gte, lt, sql } from "drizzle-orm";
import { datasetRows, datasets, runDatasets, runs, users } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { AppError } from "../errors";

export type DatasetKind = (typeof datasets.$inferSelect)["kind"];

export type Dataset = {
  id: string;
  name: string;
  kind: DatasetKind;
  /** Null while rows are added. */
  sha256: string | null;
  rowCount: number;
  /** Rows whose owner's data was deleted; the manifest still verifies. */
  erasedRows: number;
  /** As it was sealed. */
  sizeBytes: number;
  skippedLines: number;
  source: "upload" | "product";
  description: string;
  createdBy: { id: string; name: string } | null;
  createdAt: Date;
  sealedAt: Date | null;
  deletedAt: Date | null;
  /** Runs that learn from it, newest first. */
  runs: { id: string; number: number }[];
};

const rowsPerPage = 500;

/** The exact bytes that are hashed are the line itself. */
export const hashRow = (content: string): string => createHash("sha256").update(content).digest("hex");

// Drizzle leaves out the table of columns in a query over one table; inside a subquery that would name the subquery's own.
const datasetId = sql`${datasets.id}`;

const summary = {
  id: datasets.id,
  name: datasets.name,
  kind: datasets.kind,
  sha256: datasets.sha256,
  rowCount: datasets.rowCount,
  erasedRows: sql<number>`(
    select count(*)::int from ${datasetRows} where ${datasetRows.datasetId} = ${datasetId} and ${datasetRows.content} is null
  )`,
  sizeBytes: datasets.sizeBytes,
  skippedLines: datasets.skippedLines,
  source: datasets.source,
  description: datasets.description,
  createdBy: { id: users.id, name: users.name },
  createdAt: datasets.createdAt,
  sealedAt: datasets.sealedAt,
  deletedAt: datasets.deletedAt,
  runs: sql<Dataset["runs"]>`coalesce((
    select jsonb_agg(jsonb_build_object('id', r.id, 'number', r.number) order by r.number desc)
    from (
      select distinct ${runs.id} as id, ${runs.number} as number from ${runDatasets}
      join ${runs} on ${runs.id} = ${runDatasets.runId} where ${runDatasets.datasetId} = ${datasetId}
    ) r
  ), '[]')`,
};

/** Newest first, those being uploaded and deleted ones included. */
export async function listDatasets(db: Db): Promise<Dataset[]> {
  return db
    .select(summary)
    .from(datasets)
    .leftJoin(users, eq(users.id, datasets.createdBy))
    .orderBy(desc(datasets.createdAt))
    .limit(1000);
}

/** @throws {AppError} NOT_FOUND */
export async function readDataset(db: Db, id: string): Promise<Dataset> {
  const [dataset] = await db
    .select(summary)
    .from(datasets)
    .leftJoin(users, eq(users.id, datasets.createdBy))
    .where(eq(datasets.id, id));
  if (!dataset) throw new AppError("NOT_FOUND", "There is no such dataset.");
  return dataset;
}

export type DatasetPage = {
  rows: { position: number; hash: string; content: string | null }[];
  nextPosition: number | null;
};

/** Rows in order; `content` null where erased. */
export async function readDatasetRows(
  db: Db,
  { datasetId: id, from, limit }: { datasetId: string; from: number; limit: number },
): Promise<DatasetPage> {
  await readDataset(db, id);
  const rows = await db
    .select({ position: datasetRows.position, hash: datasetRows.hash, content: datasetRows.content })
    .from(datasetRows)
    .where(and(eq(datasetRows.datasetId, id), gte(datasetRows.position, from)))
    .orderBy(asc(datasetRows.position))
    .limit(limit + 1);
  return { rows: rows.slice(0, limit), nextPosition: rows[limit]?.position ?? null };
}

/** sha256 over the row hashes in order, each followed by a line end; null without rows. */
export async function hashManifest(db: Db, id: string): Promise<string | null> {
  const hash = createHash("sha256");
  let isEmpty = true;
  for await (const line of readHashes(db, id)) {
    hash.update(line);
    isEmpty = false;
  }
  return isEmpty ? null : hash.digest("hex");
}

/** The manifest: one hash a line. */
export async function* readHashes(db: Db, id: string): AsyncGenerator<string> {
  for await (const rows of readPages(db, id, 0)) yield rows.map(({ hash }) => `${hash}\n`).join("");
}

/** Its rows as JSONL, from this position on. An erased row is an empty line, so that line numbers stay. */
export async function* readLines(db: Db, id: string, from = 0): AsyncGenerator<string> {
  for await (const rows of readPages(db, id, from)) {
    yield rows.map(({ content }) => `${content ?? ""}\n`).join("");
  }
}

async function* readPages(db: Db, id: string, from: number) {
  for (let next = from; ; ) {
    const rows = await db
      .select({ position: datasetRows.position, hash: datasetRows.hash, content: datasetRows.content })
      .from(datasetRows)
      .where(
        and(
          eq(datasetRows.datasetId, id),
          gte(datasetRows.position, next),
          lt(datasetRows.position, next + rowsPerPage),
        ),
      )
      .orderBy(asc(datasetRows.position));
    if (rows.length === 0) return;
    yield rows;
    next += rowsPerPage;
  }
}

/** Recomputes the manifest and the hash of every row that is there. */
export async function verifyDataset(db: Db, id: string): Promise<{ ok: boolean; erasedRows: number }> {
  const { sha256 } = await readDataset(db, id);
  let erasedRows = 0;
  let isIntact = true;
  for await (const rows of readPages(db, id, 0)) {
    for (const { hash, content } of rows) {
      if (content === null) erasedRows++;
      else isIntact &&= hashRow(content) === hash;
    }
  }
  return { ok: isIntact && (await hashManifest(db, id)) === sha256, erasedRows };
}

/** What a download of `readLines` will be, now. */
export async function measureLines(db: Db, id: string): Promise<{ sizeBytes: number; erasedRows: number }> {
  const [row] = await db
    .select({
      sizeBytes:
        sql<number>`coalesce(sum(coalesce(octet_length(${datasetRows.content}), 0) + 1), 0)::bigint`.mapWith(
          Number,
        ),
      erasedRows: sql<number>`(count(*) filter (where ${datasetRows.content} is null))::int`,
    })
    .from(datasetRows)
    .where(eq(datasetRows.datasetId, id));
  return row ?? { sizeBytes: 0, erasedRows: 0 };
}

/** Which row a byte of the download lies in, and how far in. Null beyond the end. */
export async function findByte(
  db: Db,
  id: string,
  offset: number,
): Promise<{ position: number; skip: number } | null> {
  const { rows } = await db.execute<{ position: number; end: string | number; size: number }>(sql`
    select position, "end", size from (
      select position, coalesce(octet_length(content), 0) + 1 as size,
        sum(coalesce(octet_length(content), 0) + 1) over (order by position) as "end"
      from ${datasetRows} where dataset_id = ${id}
    ) lines where "end" > ${offset} order by position limit 1`);
  const [row] = rows;
  return row ? { position: row.position, skip: offset - (Number(row.end) - row.size) } : null;
}
