/** @file The product's rankings as a file, in any layout that others read, or as Parquet. */
import fs from "node:fs/promises";
import { type LayoutName, layoutNames, layouts } from "@/model/data/rankings/layouts";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { writeParquet } from "@/model/data/rankings/write-parquet";
import { writeRankings } from "@/model/data/rankings/write-rankings";
import type { Db } from "../../db/db";
import { writeDurably } from "../../db/durable-file";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { type ReadOptions, readRankedPrompts } from "./read-ranked-prompts";

export const exportLayouts = [...layoutNames, "parquet"] as const;
export type ExportLayout = LayoutName | "parquet";

export type ExportFile = { fileName: string; contentType: string; bytes: AsyncGenerator<Uint8Array> };

/** Labelers by their pseudonyms only. What a layout cannot hold is in its `leavesOut`. */
export async function exportRankings(
  db: Db,
  {
    layout,
    actorId,
    onRecord,
    ...options
  }: ReadOptions & {
    layout: ExportLayout;
    actorId: string | null;
    onRecord?: (record: RankedPrompt) => void;
  },
): Promise<ExportFile> {
  await db.transaction((tx) =>
    appendAudit(tx, {
      actorId,
      action: "rankings.exported",
      subject: layout,
      details: { withHeldOut: options.withHeldOut },
    }),
  );
  const records = recordsOf(db, options, onRecord);
  if (layout === "parquet") {
    return {
      fileName: "rankings.parquet",
      contentType: "application/vnd.apache.parquet",
      bytes: writeParquet(records),
    };
  }
  const isArray = layouts[layout].container === "array";
  return {
    fileName: `rankings-${layout}.${isArray ? "json" : "jsonl"}`,
    contentType: isArray ? "application/json" : "application/x-ndjson",
    bytes: encode(writeRankings(records, layout)),
  };
}

export type Exported = { file: string; sizeBytes: number; prompts: number; rankings: number };

/**
 * The same as a file of this machine, which is whole or not there; one that was there is replaced.
 * @throws {AppError} BAD_REQUEST where no file can be written
 */
export async function exportRankingsTo(
  db: Db,
  file: string,
  options: ReadOptions & { layout: ExportLayout },
): Promise<Exported> {
  const counts = { prompts: 0, rankings: 0 };
  const { bytes } = await exportRankings(db, {
    ...options,
    actorId: null,
    onRecord: (record) => {
      counts.prompts++;
      counts.rankings += record.rankings.length;
    },
  });
  try {
    await writeDurably(file, (draft) => fs.writeFile(draft, bytes));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : null;
    // Anything but the file system's own codes is a fault of ours.
    if (code === null || !fileFaults.has(code)) throw error;
    throw new AppError(
      "BAD_REQUEST",
      `${file} cannot be written (${code}). Name a file in a folder of yours.`,
    );
  }
  return { file, sizeBytes: (await fs.stat(file)).size, ...counts };
}

const fileFaults = new Set([
  "EACCES",
  "EPERM",
  "EISDIR",
  "ENOTDIR",
  "ENOTEMPTY",
  "EEXIST",
  "EROFS",
  "ENOSPC",
]);

async function* recordsOf(
  db: Db,
  options: ReadOptions,
  onRecord?: (record: RankedPrompt) => void,
): AsyncGenerator<RankedPrompt> {
  for await (const { record } of readRankedPrompts(db, options)) {
    onRecord?.(record);
    yield record;
  }
}

async function* encode(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const text of texts) yield encoder.encode(text);
}
