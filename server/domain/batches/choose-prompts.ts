/** @file Which prompts a batch takes, among those that may be used now. */
import { and, desc, eq, inArray, ne, notExists, type SQL, sql } from "drizzle-orm";
import { batches, prompts, rankingTasks, responses } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { isUsablePrompt } from "../prompts/usable-prompts";
import {
  type BatchTask,
  ownResponses,
  type PromptChoice,
  type PromptFilter,
  type ResponseSource,
} from "./batch-schema";

export type PromptCounts = {
  /** What the filter lets through. */
  usable: number;
  /** Of all that could be ranked now, whatever the filter says. */
  total: number;
  /** The fewest and the most responses that came with one of them; null where they are sampled, or there is none. */
  k: { least: number; most: number } | null;
};

/** What is asked, and where its responses are to come from. */
export type Asked = { task: BatchTask; responsesFrom: ResponseSource };

/** For the form: how many prompts there are to choose from. */
export async function countPrompts(
  db: Db,
  { filter, ...asked }: Asked & { filter: PromptFilter },
): Promise<PromptCounts> {
  const fits = and(...conditionsOf(db, asked, filter)) ?? sql`true`;
  const isOwn = asked.responsesFrom === "prompts";
  const [row] = await db
    .select({
      usable: sql<number>`(count(*) filter (where ${fits}))::int`,
      total: sql<number>`count(*)::int`,
      least: isOwn ? sql<number | null>`(min(${ownCount}) filter (where ${fits}))::int` : sql<null>`null`,
      most: isOwn ? sql<number | null>`(max(${ownCount}) filter (where ${fits}))::int` : sql<null>`null`,
    })
    .from(prompts)
    .where(isUsablePrompt);
  if (!row) return { usable: 0, total: 0, k: null };
  const { least, most, ...counts } = row;
  return { ...counts, k: least === null || most === null ? null : { least, most } };
}

/** Responses that came with a prompt, made elsewhere. */
const ownCount = sql<number>`(
  select count(*) from ${responses} where ${responses.promptId} = ${sql`${prompts}.id`} and ${responses.source} = 'imported'
)`;

function hasOwnResponses({ task, responsesFrom }: Asked): SQL | undefined {
  if (responsesFrom !== "prompts" || task === "demonstration") return undefined;
  const { least, most } = ownResponses[task];
  return sql`${ownCount} between ${least}::int and ${most}::int`;
}

/**
 * Ids, in the order in which they are to be labeled.
 * @throws {AppError} BAD_REQUEST when there is none, or when one named cannot be used
 */
export async function choosePrompts(db: Db, asked: Asked, choice: PromptChoice): Promise<string[]> {
  if (choice.by === "ids") return checkNamed(db, asked, [...new Set(choice.promptIds)]);
  const newest = [desc(prompts.createdAt), desc(prompts.id)];
  const found = await db
    .select({ id: prompts.id })
    .from(prompts)
    .where(and(isUsablePrompt, ...conditionsOf(db, asked, choice)))
    .orderBy(...(choice.order === "priority" ? [desc(prompts.priority), ...newest] : newest))
    .limit(choice.count);
  if (found.length === 0) {
    throw new AppError(
      "BAD_REQUEST",
      asked.responsesFrom === "prompts"
        ? `No prompt fits: none came with ${describeOwn(asked.task)}. Choose other sources or splits, or let prompts in that already have such a task.`
        : "No prompt fits. Choose other sources or splits, or let prompts in that already have such a task.",
    );
  }
  return found.map(({ id }) => id);
}

const describeOwn = (task: BatchTask) =>
  task === "pairwise"
    ? "two responses"
    : `${ownResponses.ranking.least} to ${ownResponses.ranking.most} responses`;

function conditionsOf(db: Db, asked: Asked, filter: PromptFilter): (SQL | undefined)[] {
  return [
    filter.sources.length > 0 ? inArray(prompts.source, filter.sources) : undefined,
    filter.splits.length > 0 ? inArray(prompts.split, filter.splits) : undefined,
    filter.includesSensitive ? undefined : eq(prompts.isSensitive, false),
    filter.includesUsed ? undefined : hasNoTask(db, asked.task),
    hasOwnResponses(asked),
  ];
}

/** Practice, tests and imports do not count: such a prompt can still be worked on. */
function hasNoTask(db: Db, task: BatchTask): SQL {
  const taken = db
    .select({ one: sql`1` })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(
      and(
        eq(rankingTasks.promptId, sql`${prompts.id}`),
        ne(rankingTasks.status, "excluded"),
        eq(batches.task, task),
        eq(batches.purpose, "work"),
      ),
    );
  return notExists(taken);
}

async function checkNamed(db: Db, asked: Asked, promptIds: string[]): Promise<string[]> {
  const found = await db
    .select({ id: prompts.id, hasResponses: sql<boolean>`${hasOwnResponses(asked) ?? sql`true`}` })
    .from(prompts)
    .where(and(isUsablePrompt, inArray(prompts.id, promptIds)));
  const usable = new Set(found.map(({ id }) => id));
  const missing = promptIds.filter((id) => !usable.has(id));
  if (missing.length > 0) {
    throw new AppError(
      "BAD_REQUEST",
      `${missing.length} of ${promptIds.length} prompts cannot be used: unknown, pulled, or without consent. The first is ${missing[0]}.`,
    );
  }
  const bare = found.filter(({ hasResponses }) => !hasResponses).map(({ id }) => id);
  if (bare.length > 0) {
    throw new AppError(
      "BAD_REQUEST",
      `${bare.length} of ${promptIds.length} prompts did not come with ${describeOwn(asked.task)}. The first is ${bare[0]}.`,
    );
  }
  return promptIds;
}
