/** @file A run's records as files, written piece by piece, also while it runs. */
import { and, asc, eq, gt } from "drizzle-orm";
import { runEvents } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { readRunSummary } from "./read-runs";
import { toTimelineRows } from "./read-timeline";
import { readAllEpisodes } from "./run-episodes";
import { listMetricNames, readAllMetrics } from "./run-metrics";
import type { TimelineKind } from "./timeline";

export const exportContents = ["metrics", "episodes", "samples", "logs", "incidents", "timeline"] as const;
export type ExportContent = (typeof exportContents)[number];
export const exportFormats = ["csv", "jsonl"] as const;
export type ExportFormat = (typeof exportFormats)[number];

export type RunExport = { fileName: string; contentType: string; parts: AsyncGenerator<string> };

const kindOf: Record<Exclude<ExportContent, "metrics" | "episodes" | "timeline">, TimelineKind> = {
  samples: "sample",
  logs: "log",
  incidents: "incident",
};

const rowsPerPage = 500;

/** @throws {AppError} NOT_FOUND */
export async function exportRun(
  db: Db,
  { runId, content, format }: { runId: string; content: ExportContent; format: ExportFormat },
): Promise<RunExport> {
  const { number } = await readRunSummary(db, runId);
  const columns =
    content === "metrics" ? ["step", "at", ...(await listMetricNames(db, runId))] : knownColumns[content];
  const records = readRecords(db, runId, content);
  return {
    fileName: `run-${number}-${content}.${format}`,
    contentType: format === "csv" ? "text/csv; charset=utf-8" : "application/jsonl; charset=utf-8",
    parts: format === "csv" ? toCsv(records, columns) : toJsonl(records),
  };
}

function readRecords(db: Db, runId: string, content: ExportContent): AsyncGenerator<Json> {
  if (content === "metrics") return readMetricRecords(db, runId);
  if (content === "episodes") return readAllEpisodes(db, runId);
  return readTimelineRecords(db, runId, content === "timeline" ? null : kindOf[content]);
}

const knownColumns: Record<Exclude<ExportContent, "metrics">, string[]> = {
  episodes: [
    ...["step", "place", "prompt", "response", "score", "parts", "reward", "klK3", "isEnded"],
    ...["tokens", "logprobs", "kl", "values"],
  ],
  samples: ["number", "at", "step", "prompt", "response", "erased"],
  logs: ["number", "at", "step", "level", "text"],
  incidents: ["number", "at", "step", "what", "text"],
  timeline: ["number", "at", "step", "kind", "payload"],
};

type Json = Record<string, unknown>;

async function* readMetricRecords(db: Db, runId: string): AsyncGenerator<Json> {
  for await (const { step, at, values } of readAllMetrics(db, runId)) yield { step, at, ...values };
}

async function* readTimelineRecords(db: Db, runId: string, kind: TimelineKind | null): AsyncGenerator<Json> {
  for (let after = 0; ; ) {
    const rows = await db
      .select()
      .from(runEvents)
      .where(
        and(
          eq(runEvents.runId, runId),
          gt(runEvents.number, after),
          kind === null ? undefined : eq(runEvents.kind, kind),
        ),
      )
      .orderBy(asc(runEvents.number))
      .limit(rowsPerPage);
    for (const row of await toTimelineRows(db, rows)) {
      const { number, at, step, payload } = row;
      yield kind === null ? { number, at, step, kind: row.kind, payload } : { number, at, step, ...payload };
    }
    const last = rows.at(-1);
    if (!last || rows.length < rowsPerPage) return;
    after = last.number;
  }
}

async function* toJsonl(records: AsyncGenerator<Json>): AsyncGenerator<string> {
  for await (const record of records) yield `${JSON.stringify(record)}\n`;
}

/** RFC 4180: lines end in CRLF, quotes are doubled. */
async function* toCsv(records: AsyncGenerator<Json>, columns: readonly string[]): AsyncGenerator<string> {
  yield `${columns.join(",")}\r\n`;
  for await (const record of records) {
    yield `${columns.map((column) => toField(record[column])).join(",")}\r\n`;
  }
}

function toField(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = value instanceof Date ? value.toISOString() : toText(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A text that a spreadsheet would run as a formula is kept from it by an apostrophe. */
function toText(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}
