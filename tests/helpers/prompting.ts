/** @file Conversations with answers, feedback and consent, written straight into the database, for tests of prompts. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { checkpoints, conversations, feedback, messages, users } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { makePerson } from "./test-context";

export const testCheckpointId = "c".repeat(64);

export async function makeCheckpoint(db: Db, id = testCheckpointId): Promise<string> {
  await db
    .insert(checkpoints)
    .values({ id, name: id.slice(0, 4), stage: "sft", folder: id, manifest: {}, sizeBytes: 1 })
    .onConflictDoNothing();
  return id;
}

/** A person who has answered the consent question. */
export async function makeOwner(db: Db, { consent = true }: { consent?: boolean } = {}) {
  const person = await makePerson(db);
  await db.update(users).set({ consent, consentAnsweredAt: new Date() }).where(eq(users.id, person.id));
  return person;
}

export type Exchange = { conversationId: string; questionId: string; answerIds: string[] };

/** One question with as many answers as given. */
export async function makeExchange(
  db: Db,
  {
    userId,
    question,
    answers = ["An answer."],
    conversation = {},
  }: {
    userId: string;
    question: string;
    answers?: string[];
    conversation?: Partial<typeof conversations.$inferInsert>;
  },
): Promise<Exchange> {
  const checkpointId = await makeCheckpoint(db);
  const conversationId = randomUUID();
  await db.insert(conversations).values({ id: conversationId, userId, ...conversation });
  const questionId = randomUUID();
  await db.insert(messages).values({ id: questionId, conversationId, role: "user", content: question });
  const answerIds = answers.map(() => randomUUID());
  await db.insert(messages).values(
    answers.map((content, i) => ({
      id: answerIds[i] ?? "",
      conversationId,
      parentId: questionId,
      role: "assistant" as const,
      content,
      checkpointId,
      seed: i,
      tokenIds: [1, 2, 3],
      logprobs: [-1, -2, -3],
    })),
  );
  return { conversationId, questionId, answerIds };
}

export async function giveThumb(
  db: Db,
  { userId, messageId, thumb }: { userId: string; messageId: string; thumb: 1 | -1 },
) {
  await db.insert(feedback).values({ userId, messageId, thumb });
}
