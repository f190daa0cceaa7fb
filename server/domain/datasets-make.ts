/** @file Making dataset snapshots: rows added in parts, then sealed under the sha256 of their hashes. */
import { and, eq, isNull, lt } from "drizzle-orm";
import { datasetRows, datasets } from "@/drizzle/schema";
import { layouts } from "@/model/data/rankings/layouts";
import { faultOf, ItemFault } from "@/model/data/rankings/ranked-prompt";
import { readDemonstrationLine } from "@/model/data/read-demonstrations";
import { readDocumentLine } from "@/model/data/read-documents";
import { readPromptLine } from "@/model/data/read-prompts";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import { appendAudit } from "./audit";
import { type Dataset, type DatasetKind, hashManifest, hashRow, readDataset } from "./datasets";

/** A line that is no row. */
export type LineFault = { line: number; reason: string };

const rowsPerInsert = 500;
/** Longest line: beyond it a row would not fit any model's context by far. */
const maxLineBytes = 1024 * 1024;
const maxFaults = 20;
/** An upload nobody went on with is removed. */
const draftLifetimeMs = 7 * 24 * 60 * 60 * 1000;

const readers: Record<DatasetKind, (line: string) => { reason: string } | object> = {
  demonstrations: readDemonstrationLine,
  documents: readDocumentLine,
  rankings: readRankingLine,
  prompts: readPromptLine,
};

/** K-way, one line a prompt, as the product's own rows are (docs/formats.md); other layouts are for the import. */
function readRankingLine(line: string): { reason: string } | object {
  const item = readObject(line);
  if (item === null) return { reason: "is no JSON object" };
  for (const read of layouts.kWay.read(item)) {
    const fault = read instanceof ItemFault ? read : faultOf(read);
    if (fault) return { reason: String(fault) };
  }
  return {};
}

function readObject(line: string): Record<string, unknown> | null {
  try {
    const json: unknown = JSON.parse(line);
    return typeof json === "object" && json !== null && !Array.isArray(json) ? { ...json } : null;
  } catch {
    return null;
  }
}

export type NewDataset = { name: string; kind: DatasetKind; description: string; actorId: string | null };

/** An empty dataset to add lines to. */
export async function startDataset(
  db: Db,
  { name, kind, description, actorId }: NewDataset,
): Promise<{ datasetId: string }> {
  return { datasetId: await insertDataset(db, { name, kind, description, actorId, source: "upload" }) };
}

async function insertDataset(
  db: Db,
  { actorId, ...values }: NewDataset & { source: "upload" | "product" },
): Promise<string> {
  const [row] = await db
    .insert(datasets)
    .values({ ...values, createdBy: actorId })
    .returning({ id: datasets.id });
  if (!row) throw new Error("The dataset was not stored.");
  return row.id;
}

export type AddedLines = {
  nextPart: number;
  rowCount: number;
  skippedLines: number;
  /** Of this part, twenty at most; `line` counts within it. */
  faults: LineFault[];
  /** True: this part was here already. */
  absorbed: boolean;
};

/**
 * Adds one part of an upload: whole lines of JSONL. Sending a part again is harmless.
 * @param onBadLine refuse: a line that is no row refuses the part, which can be sent again put right
 * @throws {AppError} CONFLICT for a part out of turn or a dataset that is sealed; BAD_REQUEST naming the lines
 */
export async function addLines(
  db: Db,
  {
    datasetId: id,
    part,
    text,
    onBadLine,
  }: { datasetId: string; part: number; text: string; onBadLine: "refuse" | "skip" },
): Promise<AddedLines> {
  return db.transaction(async (tx) => {
    const dataset = await lockDraft(tx, id);
    const { nextPart, rowCount, skippedLines } = dataset;
    if (part < nextPart) return { nextPart, rowCount, skippedLines, faults: [], absorbed: true };
    if (part > nextPart) {
      throw new AppError(
        "CONFLICT",
        `Part ${part} came before part ${nextPart}. Send part ${nextPart} next.`,
      );
    }
    const { rows, faults, faultCount } = sortLines(text, dataset.kind);
    if (faultCount > 0 && onBadLine === "refuse") throw refuseLines(faults, faultCount, part);
    await insertRows(
      tx,
      id,
      rowCount,
      rows.map((content) => ({ content, ownerId: null })),
    );
    const after = {
      nextPart: nextPart + 1,
      rowCount: rowCount + rows.length,
      skippedLines: skippedLines + faultCount,
    };
    await tx
      .update(datasets)
      .set({ ...after, sizeBytes: dataset.sizeBytes + sizeOf(rows) })
      .where(eq(datasets.id, id));
    return { ...after, faults, absorbed: false };
  });
}

function sortLines(text: string, kind: DatasetKind) {
  const rows: string[] = [];
  const faults: LineFault[] = [];
  let faultCount = 0;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "") continue;
    const reason = findFault(line, kind);
    if (reason === null) rows.push(line);
    else {
      faultCount++;
      if (faults.length < maxFaults) faults.push({ line: index + 1, reason });
    }
  }
  return { rows, faults, faultCount };
}

function findFault(line: string, kind: DatasetKind): string | null {
  const bytes = Buffer.byteLength(line);
  if (bytes > maxLineBytes) return `has ${bytes} bytes; a row may have ${maxLineBytes}`;
  if (line.includes("\0")) return "holds a NUL character";
  const read = readers[kind](line);
  return "reason" in read && typeof read.reason === "string" ? read.reason : null;
}

function refuseLines(faults: LineFault[], count: number, part: number): AppError {
  const named = faults.map(({ line, reason }) => `line ${line} ${reason}`).join("\n");
  return new AppError(
    "BAD_REQUEST",
    `${count === 1 ? "One line" : `${count} lines`} of part ${part} ${count === 1 ? "is" : "are"} unfit:\n${named}\nPut them right, or choose to skip such lines.`,
  );
}

type NewRow = { content: string; ownerId: string | null };

async function insertRows(tx: Tx, id: string, first: number, rows: readonly NewRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += rowsPerInsert) {
    await tx.insert(datasetRows).values(
      rows.slice(start, start + rowsPerInsert).map(({ content, ownerId }, i) => ({
        datasetId: id,
        position: first + start + i,
        hash: hashRow(content),
        content,
        ownerId,
      })),
    );
  }
}

const sizeOf = (rows: readonly string[]) =>
  rows.reduce((sum, content) => sum + Buffer.byteLength(content) + 1, 0);

async function lockDraft(tx: Tx, id: string) {
  const [dataset] = await tx.select().from(datasets).where(eq(datasets.id, id)).for("update");
  if (!dataset) throw new AppError("NOT_FOUND", "There is no such dataset, or its upload was given up.");
  if (dataset.sealedAt) {
    throw new AppError("CONFLICT", "This dataset is sealed. Make another one for other rows.");
  }
  return dataset;
}

/** Ends the upload: from now on the dataset does not change. @throws {AppError} BAD_REQUEST when it has no row */
export async function sealDataset(
  db: Db,
  { datasetId: id, actorId }: { datasetId: string; actorId: string | null },
): Promise<Dataset> {
  await db.transaction(async (tx) => {
    await lockDraft(tx, id);
    await seal(tx, id, actorId);
  });
  return readDataset(db, id);
}

async function seal(tx: Tx, id: string, actorId: string | null): Promise<void> {
  const sha256 = await hashManifest(tx, id);
  if (sha256 === null) throw new AppError("BAD_REQUEST", "There is no row in this dataset yet.");
  const [sealed] = await tx
    .update(datasets)
    .set({ sha256, sealedAt: new Date() })
    .where(eq(datasets.id, id))
    .returning({ rowCount: datasets.rowCount });
  await appendAudit(tx, {
    actorId,
    action: "dataset.created",
    subject: id,
    details: { sha256, rows: sealed?.rowCount ?? 0 },
  });
}

/**
 * A snapshot of the product's own rows, each with the person whose words it holds: deleting that person erases it.
 * @throws {AppError} BAD_REQUEST when a row is no row of this kind
 */
export async function createSnapshot(
  db: Db,
  {
    rows,
    onSealed,
    ...values
  }: NewDataset & {
    rows: readonly NewRow[];
    /** Within the same transaction: what the snapshot has taken is marked with it, or not at all. */
    onSealed?: (tx: Tx, datasetId: string) => Promise<void>;
  },
): Promise<Dataset> {
  const id = await db.transaction(async (tx) => {
    for (const [position, { content }] of rows.entries()) {
      const reason = content.includes("\n") ? "is more than one line" : findFault(content, values.kind);
      if (reason !== null) throw new AppError("BAD_REQUEST", `Row ${position} ${reason}.`);
    }
    const made = await insertDataset(tx, { ...values, source: "product" });
    await insertRows(tx, made, 0, rows);
    await tx
      .update(datasets)
      .set({ rowCount: rows.length, sizeBytes: sizeOf(rows.map(({ content }) => content)) })
      .where(eq(datasets.id, made));
    await onSealed?.(tx, made);
    await seal(tx, made, values.actorId);
    return made;
  });
  return readDataset(db, id);
}

/** Uploads that were not ended within a week. @returns how many were removed */
export async function sweepDatasets(db: Db, now = new Date()): Promise<number> {
  const removed = await db
    .delete(datasets)
    .where(and(isNull(datasets.sealedAt), lt(datasets.createdAt, new Date(now.getTime() - draftLifetimeMs))))
    .returning({ id: datasets.id });
  return removed.length;
}
