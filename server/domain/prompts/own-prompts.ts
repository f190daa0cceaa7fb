/** @file The prompts a labeler wrote, for that labeler: what became of each. Says nothing of who ranked. */
import { and, desc, eq, sql } from "drizzle-orm";
import { prompts, rankings, rankingTasks } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import type { PromptMessage } from "./fold-text";

type PromptRow = typeof prompts.$inferSelect;

export type OwnPrompt = Pick<
  PromptRow,
  "id" | "form" | "useCase" | "status" | "removedBy" | "masked" | "createdAt"
> & {
  messages: PromptMessage[];
  /** Tasks that were made of it. */
  tasks: number;
  /** Rankings of its responses, current ones. */
  rankings: number;
};

const newest = 50;

/** The newest 50. */
export function listOwnPrompts(db: Db, userId: string): Promise<OwnPrompt[]> {
  // Nested, so that Drizzle names the table of `prompts.id` in the fields of a query over one table too.
  const tasksOf = sql`${sql`from ${rankingTasks} where ${rankingTasks.promptId} = ${prompts.id}`}`;
  const rankingsOf = sql`${sql`from ${rankings} join ${rankingTasks} on ${rankingTasks.id} = ${rankings.taskId}
    where ${rankingTasks.promptId} = ${prompts.id} and ${rankings.isCurrent}`}`;
  return db
    .select({
      id: prompts.id,
      form: prompts.form,
      useCase: prompts.useCase,
      messages: prompts.messages,
      status: prompts.status,
      removedBy: prompts.removedBy,
      masked: prompts.masked,
      createdAt: prompts.createdAt,
      tasks: sql<number>`(select count(*)::int ${tasksOf})`,
      rankings: sql<number>`(select count(*)::int ${rankingsOf})`,
    })
    .from(prompts)
    .where(and(eq(prompts.ownerId, userId), eq(prompts.source, "labeler")))
    .orderBy(desc(prompts.createdAt), desc(prompts.id))
    .limit(newest);
}
