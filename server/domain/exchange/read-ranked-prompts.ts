/** @file The product's rankings as records: one a task, with its usable current rankings. Exports and snapshots are made of them. */
import { and, asc, eq, exists, gte, inArray, isNull, lt, ne, or, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import {
  batches,
  labelerGroups,
  prompts,
  rankedResponses,
  rankings,
  rankingTasks,
  responses,
  taskResponses,
} from "@/drizzle/schema";
import type { RankedPrompt, ResponseRanking } from "@/model/data/rankings/ranked-prompt";
import type { Db } from "../../db/db";
import { isCountedRanking, isCountedTask } from "../batches/counted-rankings";
import { splits } from "../prompts/split";
import { isReleased } from "../reward-models/current-reward-model";

const tasksPerPage = 200;

export const rankingFilterSchema = z.object({
  /** Empty: all. */
  batchIds: z.array(z.uuid()).max(1000).default([]),
  groupIds: z.array(z.uuid()).max(1000).default([]),
  splits: z.array(z.enum(splits)).default([]),
  guidelinesVersions: z.array(z.int().min(1)).max(1000).default([]),
  from: z.date().nullable().default(null),
  to: z.date().nullable().default(null),
});
export type RankingFilter = z.infer<typeof rankingFilterSchema>;

export type ReadOptions = RankingFilter & {
  /** The held-out group judges evaluations: no training set may hold its work. */
  withHeldOut: boolean;
  /** Leaves out those that the reward model in use has not scored yet. Default: they are there. */
  onlyReleased?: boolean;
};

export type RankedTask = {
  taskId: string;
  /** Whose words the prompt holds. */
  ownerId: string | null;
  rankingIds: string[];
  /** Whether the held-out group made them, beside the record's rankings. */
  isHeldOut: boolean[];
  record: RankedPrompt;
};

const importedPrompt = z.object({
  id: z.string().optional(),
  meta: z.record(z.string(), z.unknown()).optional(),
});
const importedRanking = z.object({
  isNamed: z.boolean(),
  ranks: z.array(z.number().nullable()).optional(),
  noneAcceptable: z.boolean().optional(),
  at: z.string().optional(),
  meta: z.record(z.string(), z.unknown()).optional(),
});

/**
 * Tasks with at least one ranking that fits, in the order they were made. Left out: what does not
 * count (see counted-rankings.ts), tasks with a known answer, and repeats.
 */
export async function* readRankedPrompts(db: Db, options: ReadOptions): AsyncGenerator<RankedTask> {
  for (let after: Cursor | null = null; ; ) {
    const page = await readPage(db, options, after);
    const last = page.at(-1);
    if (!last) return;
    for (const task of await fillTasks(db, page, options)) yield task;
    after = { createdAt: last.createdAt, position: last.position, taskId: last.taskId };
  }
}

/** As text: a Date would lose the microseconds, and the row would come twice. */
type Cursor = { createdAt: string; position: number; taskId: string };

function readPage(db: Db, options: ReadOptions, after: Cursor | null) {
  const { batchIds, splits: wanted } = options;
  return db
    .select({
      taskId: rankingTasks.id,
      position: rankingTasks.position,
      createdAt: sql<string>`${batches.createdAt}::text`,
      promptId: prompts.id,
      ownerId: prompts.ownerId,
      messages: prompts.messages,
      source: prompts.source,
      split: prompts.split,
      imported: prompts.imported,
      batch: { id: batches.id, name: batches.name, purpose: batches.purpose },
    })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        ne(batches.task, "demonstration"),
        eq(rankingTasks.isGold, false),
        isNull(rankingTasks.repeatOfId),
        isCountedTask,
        batchIds.length > 0 ? inArray(batches.id, batchIds) : undefined,
        wanted.length > 0 ? inArray(prompts.split, wanted) : undefined,
        exists(
          db
            .select({ one: sql`1` })
            .from(rankings)
            .leftJoin(labelerGroups, eq(labelerGroups.id, rankings.groupId))
            .where(and(eq(rankings.taskId, rankingTasks.id), fits(options))),
        ),
        after
          ? sql`(${batches.createdAt}, ${rankingTasks.position}, ${rankingTasks.id})
              > (${after.createdAt}::timestamptz, ${after.position}, ${after.taskId}::uuid)`
          : undefined,
      ),
    )
    .orderBy(asc(batches.createdAt), asc(rankingTasks.position), asc(rankingTasks.id))
    .limit(tasksPerPage);
}

/** For `rankings` with its group joined. */
function fits({
  groupIds,
  guidelinesVersions,
  from,
  to,
  withHeldOut,
  onlyReleased,
}: ReadOptions): SQL | undefined {
  return and(
    isCountedRanking,
    onlyReleased ? isReleased : undefined,
    withHeldOut ? undefined : or(isNull(labelerGroups.id), eq(labelerGroups.isHeldOut, false)),
    groupIds.length > 0 ? inArray(rankings.groupId, groupIds) : undefined,
    guidelinesVersions.length > 0 ? inArray(rankings.guidelinesVersion, guidelinesVersions) : undefined,
    from ? gte(rankings.createdAt, from) : undefined,
    to ? lt(rankings.createdAt, to) : undefined,
  );
}

type Page = Awaited<ReturnType<typeof readPage>>;

async function fillTasks(db: Db, page: Page, options: ReadOptions): Promise<RankedTask[]> {
  const taskIds = page.map(({ taskId }) => taskId);
  const texts = byTask(await readResponses(db, taskIds));
  const fitting = byTask(await readRankings(db, taskIds, options));
  const ranks = await readRanks(db, [...fitting.values()].flat());
  return page.map(({ taskId, ownerId, ...task }) => {
    const shown = texts.get(taskId) ?? [];
    const made = fitting.get(taskId) ?? [];
    const ids = shown.map(({ id }) => id);
    return {
      taskId,
      ownerId,
      rankingIds: made.map(({ id }) => id),
      isHeldOut: made.map(({ isHeldOut }) => isHeldOut),
      record: {
        ...promptOf(task),
        responses: shown.map(toResponse),
        rankings: made.map((ranking) => toRanking(ranking, ids, ranks.get(ranking.id) ?? new Map())),
      },
    };
  });
}

function byTask<T extends { taskId: string }>(rows: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) groups.set(row.taskId, [...(groups.get(row.taskId) ?? []), row]);
  return groups;
}

function readResponses(db: Db, taskIds: readonly string[]) {
  return db
    .select({
      taskId: taskResponses.taskId,
      id: responses.id,
      text: responses.text,
      author: responses.author,
      checkpointId: responses.checkpointId,
      imported: responses.imported,
    })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(inArray(taskResponses.taskId, [...taskIds]))
    .orderBy(asc(taskResponses.position));
}

async function readRankings(db: Db, taskIds: readonly string[], options: ReadOptions) {
  const rows = await db
    .select({ ranking: rankings, isHeldOut: labelerGroups.isHeldOut })
    .from(rankings)
    .leftJoin(labelerGroups, eq(labelerGroups.id, rankings.groupId))
    .where(and(inArray(rankings.taskId, [...taskIds]), fits(options)))
    // Imported ones in the order of their file.
    .orderBy(
      sql`coalesce((${rankings.imported} ->> 'number')::int, 0)`,
      asc(rankings.createdAt),
      asc(rankings.id),
    );
  return rows.map(({ ranking, isHeldOut }) => ({ ...ranking, isHeldOut: isHeldOut ?? false }));
}

async function readRanks(db: Db, made: readonly { id: string }[]): Promise<Map<string, Map<string, number>>> {
  const ranks = new Map<string, Map<string, number>>();
  if (made.length === 0) return ranks;
  const rows = await db
    .select()
    .from(rankedResponses)
    .where(
      inArray(
        rankedResponses.rankingId,
        made.map(({ id }) => id),
      ),
    );
  for (const { rankingId, responseId, rank } of rows) {
    ranks.set(rankingId, (ranks.get(rankingId) ?? new Map<string, number>()).set(responseId, rank));
  }
  return ranks;
}

type Row = Omit<Page[number], "taskId" | "ownerId">;

/** An imported prompt is given back as its file had it; one of the product says where it is from. */
function promptOf({
  messages,
  source,
  split,
  imported,
  promptId,
  batch,
}: Row): Pick<RankedPrompt, "prompt" | "id" | "meta"> {
  if (batch.purpose === "imported") {
    return { ...importedPrompt.catch({}).parse(imported ?? {}), prompt: messages };
  }
  return { id: promptId, prompt: messages, meta: { source, split, batch: batch.name } };
}

type ResponseRow = Awaited<ReturnType<typeof readResponses>>[number];

function toResponse({
  text,
  author,
  checkpointId,
  imported,
}: ResponseRow): RankedPrompt["responses"][number] {
  const model = author ?? checkpointId;
  const meta = importedPrompt.shape.meta.catch(undefined).parse(imported ?? undefined);
  return { text, ...(model !== null && { model }), ...(meta && { meta }) };
}

type RankingRow = typeof rankings.$inferSelect & { isHeldOut: boolean };

function toRanking(
  row: RankingRow,
  ids: readonly string[],
  byId: ReadonlyMap<string, number>,
): ResponseRanking {
  const ranks = ids.map((id) => byId.get(id) ?? null);
  if (row.kind === "imported") return toImportedRanking(row, ranks);
  return {
    ranks,
    labeler: row.pseudonym,
    instructionVersion: String(row.guidelinesVersion),
    noneAcceptable: row.noneAcceptable,
    at: row.createdAt.toISOString(),
    meta: {
      kind: row.kind,
      mode: row.mode,
      activeMs: row.activeMs,
      ...(row.isHeldOut && { group: "heldOut" }),
    },
  };
}

function toImportedRanking(row: RankingRow, ranks: (number | null)[]): ResponseRanking {
  const said = importedRanking.catch({ isNamed: true }).parse(row.imported ?? {});
  const { isNamed, ...rest } = said;
  return {
    ranks,
    ...(isNamed && { labeler: row.pseudonym }),
    ...(row.importedInstructions !== null && { instructionVersion: row.importedInstructions }),
    ...rest,
  };
}
