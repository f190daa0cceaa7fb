/** @file A lead's side of labelers' questions: read with the task as its labeler sees it, answered, made an example. */
import { and, asc, desc, eq, isNotNull, isNull, ne } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { rankings, taskClaims, taskQuestions, users } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { previewTask, type TaskPreview } from "../batches/batch-tasks";
import { addExample } from "../batches/guidelines-examples";
import { mailLabeler } from "../mail";
import { checkMessageText } from "../message-text";

export type AskedQuestion = {
  id: string;
  taskId: string;
  askedBy: { id: string; name: string } | null;
  question: string;
  answer: string | null;
  answeredBy: { id: string; name: string } | null;
  answeredAt: Date | null;
  /** The guidelines that hold it as an example. */
  exampleInVersion: number | null;
  createdAt: Date;
};

const mostListed = 200;

/** Erased with its labeler or with the prompt it repeats. */
const isReadable = ne(taskQuestions.question, "");
const isOpen = and(isNull(taskQuestions.answer), isReadable);

/** open: those who have waited longest first · answered: newest first. At most 200. */
export async function listQuestions(db: Db, state: "open" | "answered"): Promise<AskedQuestion[]> {
  const answerers = alias(users, "answerers");
  const rows = await db
    .select({
      row: taskQuestions,
      askedBy: { id: users.id, name: users.name },
      answeredBy: { id: answerers.id, name: answerers.name },
    })
    .from(taskQuestions)
    .leftJoin(users, eq(users.id, taskQuestions.askedBy))
    .leftJoin(answerers, eq(answerers.id, taskQuestions.answeredBy))
    .where(state === "open" ? isOpen : and(isNotNull(taskQuestions.answer), isReadable))
    .orderBy(state === "open" ? asc(taskQuestions.createdAt) : desc(taskQuestions.answeredAt))
    .limit(mostListed);
  return rows.map(({ row, askedBy, answeredBy }) => ({
    id: row.id,
    taskId: row.taskId,
    askedBy,
    question: row.question,
    answer: row.answer,
    answeredBy,
    answeredAt: row.answeredAt,
    exampleInVersion: row.exampleInVersion,
    createdAt: row.createdAt,
  }));
}

export const countOpenQuestions = (db: Db): Promise<number> => db.$count(taskQuestions, isOpen);

/**
 * The task a question is about, its responses in the order and thus under the letters of whoever asks.
 * @returns `isAskersOrder` false: that order is no longer known, as they have put the task away
 * @throws {AppError} NOT_FOUND; also where the prompt may not be read any more
 */
export async function readQuestionTask(
  db: Db,
  questionId: string,
): Promise<{ task: TaskPreview; isAskersOrder: boolean }> {
  const [question] = await db.select().from(taskQuestions).where(eq(taskQuestions.id, questionId));
  if (!question) throw noSuchQuestion();
  const task = await previewTask(db, question.taskId);
  const order = question.askedBy === null ? null : await findOrder(db, question.taskId, question.askedBy);
  if (!order) return { task, isAskersOrder: false };
  const responses = order.flatMap((id) => task.responses.filter((response) => response.id === id));
  return { task: { ...task, responses }, isAskersOrder: true };
}

async function findOrder(db: Db, taskId: string, labelerId: string): Promise<string[] | null> {
  const [claim] = await db
    .select({ order: taskClaims.responseOrder })
    .from(taskClaims)
    .where(and(eq(taskClaims.taskId, taskId), eq(taskClaims.labelerId, labelerId)));
  if (claim) return claim.order;
  const [ranking] = await db
    .select({ order: rankings.responseOrder })
    .from(rankings)
    .where(and(eq(rankings.taskId, taskId), eq(rankings.labelerId, labelerId), eq(rankings.kind, "labeler")))
    .orderBy(desc(rankings.version))
    .limit(1);
  return ranking?.order ?? null;
}

export type Answering = {
  questionId: string;
  answer: string;
  /** The answer that the lead saw and corrects; null = none was there. */
  basedOn: string | null;
  /** Added to the guidelines as well, in words of their own: the task's are left to its owner. */
  example: { question: string; answer: string } | null;
  actorId: string;
};

/**
 * Answers a question, or corrects the answer: its labeler is shown it as new.
 * @returns the version of the guidelines that the example made, if there is one
 * @throws {AppError} NOT_FOUND; CONFLICT when somebody else has answered meanwhile, or it is an example already
 */
export async function answerQuestion(
  db: Db,
  { questionId, answer, basedOn, example, actorId }: Answering,
): Promise<{ exampleInVersion: number | null }> {
  const text = checkMessageText(answer);
  return db.transaction(async (tx) => {
    const before = await lockQuestion(tx, questionId);
    if (before.answer !== basedOn) {
      throw new AppError(
        "CONFLICT",
        `This was answered meanwhile: “${before.answer ?? ""}” Load the page again to change that answer.`,
      );
    }
    if (example && before.exampleInVersion !== null) {
      throw new AppError(
        "CONFLICT",
        `This is an example in version ${before.exampleInVersion} of the guidelines already. Change it there.`,
      );
    }
    const exampleInVersion = example
      ? await addExample(tx, { ...example, actorId })
      : before.exampleInVersion;
    const isChanged = text !== before.answer;
    await tx
      .update(taskQuestions)
      .set({
        exampleInVersion,
        ...(isChanged && { answer: text, answeredBy: actorId, answeredAt: new Date(), readAt: null }),
      })
      .where(eq(taskQuestions.id, questionId));
    if (isChanged) {
      await appendAudit(tx, { actorId, action: "question.answered", subject: questionId });
      const text = "Your question about a task was answered.";
      if (before.askedBy) await mailLabeler(tx, before.askedBy, { text, path: "/label/work" });
    }
    return { exampleInVersion };
  });
}

async function lockQuestion(tx: Tx, questionId: string) {
  const [question] = await tx
    .select()
    .from(taskQuestions)
    .where(and(eq(taskQuestions.id, questionId), isReadable))
    .for("update");
  if (!question) throw noSuchQuestion();
  return question;
}

const noSuchQuestion = () =>
  new AppError("NOT_FOUND", "There is no such question: its labeler or its prompt may have been erased.");
