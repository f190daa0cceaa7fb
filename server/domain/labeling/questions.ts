/** @file A labeler's questions about tasks, and the answers as they reach the labeler. */
import { and, desc, eq, inArray, isNotNull, isNull, ne } from "drizzle-orm";
import { rankings, taskClaims, taskQuestions } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { checkMessageText } from "../message-text";

/** @throws {AppError} NOT_FOUND for a task this labeler has not been given */
export async function askAboutTask(
  db: Db,
  { taskId, labelerId, question }: { taskId: string; labelerId: string; question: string },
): Promise<void> {
  const text = checkMessageText(question);
  const wasGiven =
    (await db.$count(taskClaims, and(eq(taskClaims.taskId, taskId), eq(taskClaims.labelerId, labelerId)))) +
    (await db.$count(rankings, and(eq(rankings.taskId, taskId), eq(rankings.labelerId, labelerId))));
  if (wasGiven === 0) throw new AppError("NOT_FOUND", "There is no such task of yours.");
  await db.insert(taskQuestions).values({ taskId, askedBy: labelerId, question: text });
}

export type OwnQuestion = {
  id: string;
  taskId: string;
  question: string;
  /** Null: not answered yet. */
  answer: string | null;
  /** The guidelines that hold it as an example. */
  exampleInVersion: number | null;
  /** Answered, and not seen yet. */
  isNew: boolean;
  createdAt: Date;
  answeredAt: Date | null;
};

/** Erased with a prompt they repeat, they are nothing to read. */
const isReadable = ne(taskQuestions.question, "");

/** The newest 100. */
export async function listOwnQuestions(db: Db, labelerId: string): Promise<OwnQuestion[]> {
  const rows = await db
    .select({
      id: taskQuestions.id,
      taskId: taskQuestions.taskId,
      question: taskQuestions.question,
      answer: taskQuestions.answer,
      exampleInVersion: taskQuestions.exampleInVersion,
      readAt: taskQuestions.readAt,
      createdAt: taskQuestions.createdAt,
      answeredAt: taskQuestions.answeredAt,
    })
    .from(taskQuestions)
    .where(and(eq(taskQuestions.askedBy, labelerId), isReadable))
    .orderBy(desc(taskQuestions.createdAt))
    .limit(100);
  return rows.map(({ readAt, ...row }) => ({ ...row, isNew: row.answer !== null && readAt === null }));
}

/** Answers to this labeler about one task, oldest question first: shown with the task while it is theirs. */
export async function listTaskAnswers(
  db: Db,
  { taskId, labelerId }: { taskId: string; labelerId: string },
): Promise<{ id: string; question: string; answer: string }[]> {
  const rows = await db
    .select({ id: taskQuestions.id, question: taskQuestions.question, answer: taskQuestions.answer })
    .from(taskQuestions)
    .where(
      and(
        eq(taskQuestions.taskId, taskId),
        eq(taskQuestions.askedBy, labelerId),
        isNotNull(taskQuestions.answer),
        isReadable,
      ),
    )
    .orderBy(taskQuestions.createdAt);
  return rows.flatMap(({ answer, ...row }) => (answer === null ? [] : [{ ...row, answer }]));
}

/** Those of one's own that are answered count as seen; others are left alone. */
export async function markAnswersRead(
  db: Db,
  { questionIds, labelerId }: { questionIds: readonly string[]; labelerId: string },
): Promise<void> {
  if (questionIds.length === 0) return;
  await db
    .update(taskQuestions)
    .set({ readAt: new Date() })
    .where(
      and(
        inArray(taskQuestions.id, [...questionIds]),
        eq(taskQuestions.askedBy, labelerId),
        isNotNull(taskQuestions.answer),
        isNull(taskQuestions.readAt),
      ),
    );
}
