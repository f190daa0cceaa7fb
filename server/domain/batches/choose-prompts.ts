/** @file Which prompts a batch takes, among those that may be used now. */
import { and, desc, eq, inArray, ne, notExists, type SQL, sql } from "drizzle-orm";
import { batches, prompts, rankingTasks } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { isUsablePrompt } from "../prompts/usable-prompts";
import type { BatchTask, PromptChoice, PromptFilter } from "./batch-schema";

export type PromptCounts = {
  /** What the filter lets through. */
  usable: number;
  /** Of all that could be ranked now, whatever the filter says. */
  total: number;
};

/** For the form: how many prompts there are to choose from. */
export async function countPrompts(
  db: Db,
  { task, filter }: { task: BatchTask; filter: PromptFilter },
): Promise<PromptCounts> {
  const [row] = await db
    .select({
      usable: sql<number>`(count(*) filter (where ${and(...conditionsOf(db, task, filter)) ?? sql`true`}))::int`,
      total: sql<number>`count(*)::int`,
    })
    .from(prompts)
    .where(isUsablePrompt);
  return row ?? { usable: 0, total: 0 };
}

/**
 * Ids, in the order in which they are to be labeled.
 * @throws {AppError} BAD_REQUEST when there is none, or when one named cannot be used
 */
export async function choosePrompts(db: Db, task: BatchTask, choice: PromptChoice): Promise<string[]> {
  if (choice.by === "ids") return checkNamed(db, [...new Set(choice.promptIds)]);
  const newest = [desc(prompts.createdAt), desc(prompts.id)];
  const found = await db
    .select({ id: prompts.id })
    .from(prompts)
    .where(and(isUsablePrompt, ...conditionsOf(db, task, choice)))
    .orderBy(...(choice.order === "priority" ? [desc(prompts.priority), ...newest] : newest))
    .limit(choice.count);
  if (found.length === 0) {
    throw new AppError(
      "BAD_REQUEST",
      "No prompt fits. Choose other sources or splits, or let prompts in that already have such a task.",
    );
  }
  return found.map(({ id }) => id);
}

function conditionsOf(db: Db, task: BatchTask, filter: PromptFilter): (SQL | undefined)[] {
  return [
    filter.sources.length > 0 ? inArray(prompts.source, filter.sources) : undefined,
    filter.splits.length > 0 ? inArray(prompts.split, filter.splits) : undefined,
    filter.includesSensitive ? undefined : eq(prompts.isSensitive, false),
    filter.includesUsed ? undefined : hasNoTask(db, task),
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

async function checkNamed(db: Db, promptIds: string[]): Promise<string[]> {
  const found = await db
    .select({ id: prompts.id })
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
  return promptIds;
}
