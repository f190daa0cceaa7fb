/** @file The product's rankings as a file, in any layout that others read, or as Parquet. */
import { type LayoutName, layoutNames, layouts } from "@/model/data/rankings/layouts";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { writeParquet } from "@/model/data/rankings/write-parquet";
import { writeRankings } from "@/model/data/rankings/write-rankings";
import type { Db } from "../../db/db";
import { appendAudit } from "../audit";
import { type ReadOptions, readRankedPrompts } from "./read-ranked-prompts";

export const exportLayouts = [...layoutNames, "parquet"] as const;
export type ExportLayout = LayoutName | "parquet";

export type ExportFile = { fileName: string; contentType: string; bytes: AsyncGenerator<Uint8Array> };

/** Labelers by their pseudonyms only. What a layout cannot hold is in its `leavesOut`. */
export async function exportRankings(
  db: Db,
  { layout, actorId, ...options }: ReadOptions & { layout: ExportLayout; actorId: string | null },
): Promise<ExportFile> {
  await db.transaction((tx) =>
    appendAudit(tx, {
      actorId,
      action: "rankings.exported",
      subject: layout,
      details: { withHeldOut: options.withHeldOut },
    }),
  );
  const records = recordsOf(db, options);
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

async function* recordsOf(db: Db, options: ReadOptions): AsyncGenerator<RankedPrompt> {
  for await (const { record } of readRankedPrompts(db, options)) yield record;
}

async function* encode(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const text of texts) yield encoder.encode(text);
}
