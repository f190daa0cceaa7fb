/** @file Batches with prompts and responses, and labelers who may work, for tests of labeling. */
import { randomUUID } from "node:crypto";
import {
  batches,
  guidelines,
  labelers,
  prompts,
  rankingTasks,
  responses,
  taskResponses,
} from "@/drizzle/schema";
import type { SessionUser } from "@/server/context";
import type { Db } from "@/server/db/db";
import { agreement } from "@/server/domain/labeling/labelers";
import { makePerson } from "./test-context";

/** A labeler who has accepted the agreement. */
export async function makeLabeler(
  db: Db,
  values: Partial<typeof labelers.$inferInsert> = {},
): Promise<SessionUser> {
  const user = await makePerson(db, { role: "labeler" });
  await db.insert(labelers).values({
    userId: user.id,
    pseudonym: `labeler-${randomUUID().slice(0, 8)}`,
    agreedAt: new Date(),
    agreementVersion: agreement.version,
    ...values,
  });
  return user;
}

export type MadeTask = { taskId: string; promptId: string; responseIds: string[] };
export type MadeBatch = { batchId: string; tasks: MadeTask[] };

/** An open batch of ranking tasks whose responses say their own letter. */
export async function makeBatch(
  db: Db,
  {
    tasks = 1,
    k = 4,
    ownerId = null,
    textOf = sayLetter,
    ...values
  }: Partial<typeof batches.$inferInsert> & {
    tasks?: number;
    ownerId?: string | null;
    textOf?: TextOf;
  } = {},
): Promise<MadeBatch> {
  await db.insert(guidelines).values({ version: 1, text: "Be fair." }).onConflictDoNothing();
  const [batch] = await db
    .insert(batches)
    .values({
      name: "A batch",
      task: "ranking",
      status: "open",
      k,
      guidelinesVersion: 1,
      hasRatings: false,
      ...values,
    })
    .returning();
  if (!batch) throw new Error("The batch was not stored.");
  const made: MadeTask[] = [];
  for (let position = 0; position < tasks; position++) {
    made.push(
      await makeTask(db, { batchId: batch.id, position, k, openPlaces: batch.overlap, ownerId, textOf }),
    );
  }
  return { batchId: batch.id, tasks: made };
}

/** The text of the response with this index, from 0. */
type TextOf = (index: number) => string;
const sayLetter: TextOf = (index) => `Response ${"ABCDEFGHI"[index] ?? index}`;

type NewTask = {
  batchId: string;
  position: number;
  k: number;
  openPlaces: number;
  ownerId: string | null;
  textOf: TextOf;
};

async function makeTask(db: Db, { k, ownerId, textOf, ...values }: NewTask): Promise<MadeTask> {
  const text = `Question ${values.position} of ${values.batchId}`;
  const [prompt] = await db
    .insert(prompts)
    .values({
      source: "upload",
      messages: [{ role: "user", content: text }],
      foldedText: text.toLowerCase(),
      split: "train",
      ownerId,
    })
    .returning();
  if (!prompt) throw new Error("The prompt was not stored.");
  const texts = Array.from({ length: k }, (_, i) => ({
    promptId: prompt.id,
    source: "imported" as const,
    author: "a test",
    text: textOf(i),
  }));
  const made = k === 0 ? [] : await db.insert(responses).values(texts).returning({ id: responses.id });
  const [task] = await db
    .insert(rankingTasks)
    .values({ ...values, promptId: prompt.id, status: "open" })
    .returning();
  if (!task) throw new Error("The task was not stored.");
  if (k === 0) return { taskId: task.id, promptId: prompt.id, responseIds: [] };
  await db
    .insert(taskResponses)
    .values(made.map(({ id }, position) => ({ taskId: task.id, responseId: id, position })));
  return { taskId: task.id, promptId: prompt.id, responseIds: made.map(({ id }) => id) };
}
