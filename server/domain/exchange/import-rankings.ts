/** @file Rankings made elsewhere, read from a file into prompts, responses and rankings; one bad item costs no other. */
import { createHash } from "node:crypto";
import { eq } from "drizzle-orm";
import {
  batches,
  imports,
  prompts,
  rankedResponses,
  rankings,
  rankingTasks,
  responses,
  taskResponses,
} from "@/drizzle/schema";
import { countRecordPairs } from "@/model/data/rankings/layout";
import type { LayoutName } from "@/model/data/rankings/layouts";
import { type RankedPrompt, toDenseRanks } from "@/model/data/rankings/ranked-prompt";
import { type RankingSource, readRankings } from "@/model/data/rankings/read-rankings";
import { createRanking } from "@/model/eval/ranking";
import type { Db, Tx } from "../../db/db";
import { appendAudit } from "../audit";
import { currentGuidelinesVersion } from "../batches/guidelines";
import { storableText } from "../message-text";
import { foldConversation } from "../prompts/fold-text";
import { splitOf } from "../prompts/split";

/** Rows a transaction, about: the embedded database has one connection, which chat needs in between. */
const rowsPerChunk = 2_000;
const mostFaults = 50;
/** Beyond this a folded text finds no neighbour anyway. */
const mostFoldedCharacters = 16_000;

export type ImportCounts = {
  prompts: number;
  responses: number;
  rankings: number;
  comparisons: number;
  ties: number;
  /** Items that were left out; the first are in `faults`. */
  unfit: number;
};
const nothing: ImportCounts = { prompts: 0, responses: 0, rankings: 0, comparisons: 0, ties: 0, unfit: 0 };

export type ImportRankings = {
  importId: string;
  source: RankingSource;
  /** Null: told from the first items. */
  layout: LayoutName | null;
  actorId: string | null;
  signal?: AbortSignal;
};

/**
 * Reads the whole file; what was read is stored chunk by chunk, with progress in the import's row. The texts stay as they are,
 * so that an export gives back what was imported; no rule for the product's own prompts is applied to them.
 * @throws DataFileError when the layout is not known or the file is damaged; what came before is kept, and the row says so
 */
export async function importRankings(
  db: Db,
  { importId, source, layout, actorId, signal }: ImportRankings,
): Promise<ImportCounts> {
  const progress = { counts: { ...nothing }, faults: [] as { line: number; reason: string }[], readBytes: 0 };
  const batchId = await insertBatch(db, importId, { name: source.name, actorId });
  const write = (records: readonly RankedPrompt[]) =>
    db.transaction(async (tx) => {
      for (const record of records) count(progress.counts, record);
      await insertRecords(tx, records, {
        importId,
        batchId,
        first: progress.counts.prompts - records.length,
      });
      const { counts, faults, readBytes } = progress;
      await tx.update(imports).set({ counts, faults, readBytes }).where(eq(imports.id, importId));
    });
  let chunk: RankedPrompt[] = [];
  let rows = 0;
  const onProgress = (readBytes: number) => {
    progress.readBytes = readBytes;
  };
  const options = { onProgress, ...(layout && { layout }), ...(signal && { signal }) };
  try {
    for await (const read of readRankings(source, options)) {
      if ("fault" in read) {
        progress.counts.unfit++;
        if (progress.faults.length < mostFaults) {
          progress.faults.push({ line: read.place.line, reason: String(read.fault) });
        }
        continue;
      }
      chunk.push(read.record);
      rows += rowsOf(read.record);
      if (rows < rowsPerChunk) continue;
      await write(chunk);
      chunk = [];
      rows = 0;
    }
  } finally {
    await write(chunk);
  }
  const { counts } = progress;
  await db.transaction((tx) =>
    appendAudit(tx, { actorId, action: "rankings.imported", subject: importId, details: { ...counts } }),
  );
  return counts;
}

const rowsOf = ({ responses: { length }, rankings: { length: times } }: RankedPrompt) => length * (times + 1);

function count(counts: ImportCounts, record: RankedPrompt): void {
  const { comparisons, ties } = countRecordPairs(record);
  counts.prompts++;
  counts.responses += record.responses.length;
  counts.rankings += record.rankings.length;
  counts.comparisons += comparisons;
  counts.ties += ties;
}

/** Closed from the start: nobody is given its tasks. */
async function insertBatch(
  db: Db,
  importId: string,
  { name, actorId }: { name: string; actorId: string | null },
): Promise<string> {
  const [batch] = await db
    .insert(batches)
    .values({
      name,
      task: "ranking",
      purpose: "imported",
      status: "closed",
      k: 0,
      hasRatings: false,
      guidelinesVersion: await currentGuidelinesVersion(db),
      importId,
      createdBy: actorId,
      closedAt: new Date(),
    })
    .returning({ id: batches.id });
  if (!batch) throw new Error("The batch of the import was not stored.");
  return batch.id;
}

type Place = { importId: string; batchId: string; first: number };

/** One statement a table, whatever the number of records. */
async function insertRecords(
  tx: Tx,
  records: readonly RankedPrompt[],
  { importId, batchId, first }: Place,
): Promise<void> {
  if (records.length === 0) return;
  const promptIds = await insertPrompts(tx, records, importId);
  const rows = records.map((record, i) => ({ record, promptId: at(promptIds, i) }));
  const responseRows = rows.flatMap(({ record, promptId }) =>
    record.responses.map(({ text, model, meta }) => ({
      promptId,
      source: "imported" as const,
      text: storableText(text),
      author: model ?? null,
      imported: meta ?? null,
    })),
  );
  const responseIds = (await tx.insert(responses).values(responseRows).returning({ id: responses.id })).map(
    ({ id }) => id,
  );
  const tasks = await tx
    .insert(rankingTasks)
    .values(
      rows.map(({ promptId }, i) => ({
        batchId,
        promptId,
        status: "done" as const,
        openPlaces: 0,
        position: first + i,
      })),
    )
    .returning({ id: rankingTasks.id });
  let next = 0;
  const placed = rows.map(({ record }, i) => {
    const ids = responseIds.slice(next, next + record.responses.length);
    next += record.responses.length;
    return {
      record,
      taskId: at(
        tasks.map(({ id }) => id),
        i,
      ),
      ids,
    };
  });
  await tx
    .insert(taskResponses)
    .values(
      placed.flatMap(({ taskId, ids }) =>
        ids.map((responseId, position) => ({ taskId, responseId, position })),
      ),
    );
  await insertRankings(tx, placed);
}

async function insertPrompts(tx: Tx, records: readonly RankedPrompt[], importId: string): Promise<string[]> {
  const rows = records.map(({ id, prompt, meta }) => {
    const messages = prompt.map(({ role, content }) => ({ role, content: storableText(content) }));
    const foldedText = storableText(foldConversation(messages).slice(0, mostFoldedCharacters));
    return {
      source: "import" as const,
      messages,
      foldedText,
      importId,
      imported: id === undefined && meta === undefined ? null : { id, meta },
      // By text alone, so that one prompt falls into the same split from whichever file it comes.
      split: splitOf({ ownerId: null, group: null, foldedText }),
    };
  });
  const made = await tx.insert(prompts).values(rows).returning({ id: prompts.id });
  return made.map(({ id }) => id);
}

type Placed = { record: RankedPrompt; taskId: string; ids: string[] };

async function insertRankings(tx: Tx, placed: readonly Placed[]): Promise<void> {
  const rows = placed.flatMap(({ record, taskId, ids }) =>
    record.rankings.map((ranking, number) => ({ ranking, taskId, ids, number })),
  );
  if (rows.length === 0) return;
  const made = await tx
    .insert(rankings)
    .values(
      rows.map(({ ranking, taskId, ids, number }) => ({
        taskId,
        kind: "imported" as const,
        mode: "imported" as const,
        pseudonym: pseudonymOf(ranking.labeler, taskId, number),
        noneAcceptable: ranking.noneAcceptable ?? false,
        responseOrder: ids,
        importedInstructions: ranking.instructionVersion ?? null,
        imported: { number, ...importedOf(ranking) },
        ...timeOf(ranking.at),
      })),
    )
    .returning({ id: rankings.id });
  const ranked = rows.flatMap(({ ranking, ids }, i) =>
    [...createRanking(ids, toDenseRanks(ranking.ranks))].map(([responseId, rank]) => ({
      rankingId: at(
        made.map(({ id }) => id),
        i,
      ),
      responseId,
      rank,
    })),
  );
  if (ranked.length > 0) await tx.insert(rankedResponses).values(ranked);
}

/** Whoever the file names keeps that name; the unnamed are told apart by their place. */
function pseudonymOf(labeler: string | undefined, taskId: string, number: number): string {
  return labeler ?? `unnamed-${createHash("sha256").update(`${taskId} ${number}`).digest("hex").slice(0, 8)}`;
}

/** What columns do not hold exactly, beside its number in the file: whether it was named, its time as written, an absent flag, ranks that leave gaps. */
function importedOf({ labeler, noneAcceptable, at: time, meta, ranks }: RankedPrompt["rankings"][number]) {
  const isDense = JSON.stringify(toDenseRanks(ranks)) === JSON.stringify(ranks);
  return {
    isNamed: labeler !== undefined,
    ...(!isDense && { ranks }),
    ...(noneAcceptable !== undefined && { noneAcceptable }),
    ...(time !== undefined && { at: time }),
    ...(meta !== undefined && { meta }),
  };
}

function timeOf(time: string | undefined): { createdAt?: Date } {
  const date = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(date) ? {} : { createdAt: new Date(date) };
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`Row ${index} of ${list.length} was not stored.`);
  return found;
}
