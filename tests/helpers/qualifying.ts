/** @file Practice and tests with known answers, and labelers who sit them. */
import { eq } from "drizzle-orm";
import { type batches, qualificationTests, rankingTasks, taskResponses } from "@/drizzle/schema";
import type { SessionUser } from "@/server/context";
import type { Db } from "@/server/db/db";
import type { TaskView } from "@/server/domain/labeling/task-schema";
import { type MadeBatch, makeBatch } from "./labeling";
import { callerFor } from "./test-context";

type Values = Partial<typeof batches.$inferInsert> & { tasks?: number };

/** Responses in the order in which they were made are the known order; the last one is flagged as violent. */
export async function makeKnown(db: Db, values: Values): Promise<MadeBatch> {
  const made = await makeBatch(db, { hasRatings: true, ...values });
  for (const { taskId, responseIds } of made.tasks) {
    await db
      .update(rankingTasks)
      .set({ isGold: true, explanation: "Because of **this**." })
      .where(eq(rankingTasks.id, taskId));
    for (const [index, responseId] of responseIds.entries()) {
      await db
        .update(taskResponses)
        .set({ goldRank: index + 1, goldFlags: index === responseIds.length - 1 ? ["violent"] : [] })
        .where(eq(taskResponses.responseId, responseId));
    }
  }
  return made;
}

/** An open test. */
export async function makeTest(
  db: Db,
  {
    tasks = 1,
    demonstrations = 0,
    settings = {},
    ...values
  }: Values & { demonstrations?: number; settings?: Partial<typeof qualificationTests.$inferInsert> } = {},
): Promise<MadeBatch & { demonstrationBatchId: string | null }> {
  const made = await makeKnown(db, { name: "The test", purpose: "qualification", tasks, ...values });
  const written =
    demonstrations === 0
      ? null
      : await makeBatch(db, {
          name: "Its demonstrations",
          purpose: "qualification",
          task: "demonstration",
          tasks: demonstrations,
          k: 0,
        });
  await db
    .insert(qualificationTests)
    .values({ batchId: made.batchId, demonstrationBatchId: written?.batchId ?? null, ...settings });
  return { ...made, demonstrationBatchId: written?.batchId ?? null };
}

/** Answers every task that a labeler is given for this purpose. @param order of the indices in which the responses were made, best first */
export async function answerAll(
  db: Db,
  labeler: SessionUser,
  {
    purpose = "qualification",
    order = [0, 1, 2, 3],
    flags = ["violent"],
  }: { purpose?: "qualification" | "practice"; order?: readonly number[]; flags?: "violent"[] } = {},
): Promise<TaskView[]> {
  const { labeling } = callerFor(db, labeler);
  const given: TaskView[] = [];
  for (;;) {
    const next = await labeling.next({ purpose });
    if ("noTask" in next) return given;
    const { task } = next;
    given.push(task);
    const { claimId } = task;
    if (task.batch.task === "demonstration") {
      const written = { text: "What I would say.", editedFromId: null, pastedCharacters: 0, activeMs: 9 };
      await labeling.submitDemonstration({ claimId, ...written });
      continue;
    }
    const ids = "ABCD".slice(0, task.responses.length).split("");
    const byLetter = ids.map((letter) => task.responses.find(({ text }) => text.endsWith(letter))?.id ?? "");
    await labeling.submit({
      claimId,
      mode: "board",
      tiers: order.map((index) => [byLetter[index] ?? ""]),
      ratings: Object.fromEntries(
        byLetter.map((id, index) => [id, { overall: 4, flags: index === byLetter.length - 1 ? flags : [] }]),
      ),
      activeMs: 1_000,
    });
  }
}
