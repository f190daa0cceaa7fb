/** @file Prompts and batches for tests of labeling leads. */
import { eq } from "drizzle-orm";
import { prompts, rankedResponses, rankings, rankingTasks, taskResponses } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { type NewBatchInput, newBatchSchema } from "@/server/domain/batches/batch-schema";
import { createBatch } from "@/server/domain/batches/create-batch";
import { ensureLabeler } from "@/server/domain/labeling/labelers";
import { makePerson } from "./test-context";

/** Nobody's words. @returns their ids, in the order of the texts */
export async function addPrompts(
  db: Db,
  texts: readonly string[],
  fields: Partial<typeof prompts.$inferInsert> = {},
): Promise<string[]> {
  const rows = await db
    .insert(prompts)
    .values(
      texts.map((content) => ({
        source: "upload" as const,
        messages: [{ role: "user" as const, content }],
        foldedText: content.toLowerCase(),
        split: "train" as const,
        ...fields,
      })),
    )
    .returning({ id: prompts.id });
  return rows.map(({ id }) => id);
}

/** A batch of a labeling lead with the schema's defaults; demonstrations, where no policy is named. */
export async function addBatch(
  db: Db,
  fields: Partial<NewBatchInput> & Pick<NewBatchInput, "prompts">,
  dataFolder = "/nonexistent",
) {
  const lead = await makePerson(db, { grants: ["labelingLead"] });
  const batch = newBatchSchema.parse({ name: "Batch", task: "demonstration", ...fields });
  return { lead, ...(await createBatch(db, batch, { actorId: lead.id, dataFolder })) };
}

/** A ranking as it is stored. @param ranks by position of the task's responses, 1 is best */
export async function addRanking(
  db: Db,
  {
    taskId,
    labelerId,
    ranks,
    ...fields
  }: { taskId: string; labelerId: string; ranks: readonly number[] } & Partial<typeof rankings.$inferInsert>,
): Promise<string> {
  const { pseudonym } = await ensureLabeler(db, labelerId);
  const order = await db
    .select({ id: taskResponses.responseId })
    .from(taskResponses)
    .where(eq(taskResponses.taskId, taskId))
    .orderBy(taskResponses.position);
  const [ranking] = await db
    .insert(rankings)
    .values({
      taskId,
      labelerId,
      pseudonym,
      mode: "board",
      responseOrder: order.map(({ id }) => id),
      guidelinesVersion: 1,
      ...fields,
    })
    .returning({ id: rankings.id });
  if (!ranking) throw new Error("The ranking was not stored.");
  await db
    .insert(rankedResponses)
    .values(
      order.map(({ id }, i) => ({ rankingId: ranking.id, responseId: id, rank: ranks[i] ?? ranks.length })),
    );
  return ranking.id;
}

export const tasksOf = (db: Db, batchId: string) =>
  db.select().from(rankingTasks).where(eq(rankingTasks.batchId, batchId)).orderBy(rankingTasks.position);
