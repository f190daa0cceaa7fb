/** @file Everything Attune holds about one person, as one JSON document, written piece by piece. */
import { and, asc, eq, inArray, isNull } from "drizzle-orm";
import {
  apiKeys,
  consentEvents,
  conversations,
  datasetRows,
  demonstrations,
  draftPairs,
  feedback,
  messages,
  prompts,
  sessions,
  taskQuestions,
} from "@/drizzle/schema";
import type { Db } from "../db/db";
import type { Env } from "../env";
import { readProfile } from "./account";
import { appendAudit } from "./audit";

const conversationsPerPage = 50;
const hourMs = 60 * 60 * 1000;

/**
 * When the last scheduled backup is gone that holds what is deleted now; null where none are made. Copies that somebody
 * made by hand are not known.
 */
export function whenBackupsForget(
  { ATTUNE_BACKUP_HOURS, ATTUNE_BACKUP_KEEP }: Pick<Env, "ATTUNE_BACKUP_HOURS" | "ATTUNE_BACKUP_KEEP">,
  now = new Date(),
): Date | null {
  if (ATTUNE_BACKUP_HOURS === 0) return null;
  return new Date(now.getTime() + ATTUNE_BACKUP_HOURS * ATTUNE_BACKUP_KEEP * hourMs);
}

/**
 * The parts of the document, to be sent as they come: a long history never lies in memory at once. Passwords, tokens
 * and key hashes are left out.
 */
export async function* exportAccount(db: Db, userId: string): AsyncGenerator<string> {
  await db.transaction((tx) =>
    appendAudit(tx, { actorId: userId, action: "account.exported", subject: userId }),
  );
  const about = {
    format: "attune-account-1",
    exportedAt: new Date(),
    profile: await readProfile(db, userId),
    consentAnswers: await readConsentAnswers(db, userId),
    sessions: await readOwnSessions(db, userId),
    apiKeys: await readKeys(db, userId),
    feedback: await db
      .select()
      .from(feedback)
      .where(eq(feedback.userId, userId))
      .orderBy(asc(feedback.createdAt)),
    draftChoices: await readDraftChoices(db, userId),
    datasetRows: await readDatasetRows(db, userId),
    prompts: await readPrompts(db, userId),
    demonstrations: await readDemonstrations(db, userId),
    questions: await readQuestions(db, userId),
  };
  yield JSON.stringify(about, null, 1).replace(/\n\}$/, ',\n "conversations": [');
  let isFirst = true;
  for await (const conversation of readConversations(db, userId)) {
    yield `${isFirst ? "" : ","}\n${JSON.stringify(conversation)}`;
    isFirst = false;
  }
  yield "\n ]\n}\n";
}

function readConsentAnswers(db: Db, userId: string) {
  return db
    .select()
    .from(consentEvents)
    .where(eq(consentEvents.userId, userId))
    .orderBy(asc(consentEvents.createdAt));
}

function readOwnSessions(db: Db, userId: string) {
  return db
    .select({
      createdAt: sessions.createdAt,
      expiresAt: sessions.expiresAt,
      ipAddress: sessions.ipAddress,
      userAgent: sessions.userAgent,
    })
    .from(sessions)
    .where(eq(sessions.userId, userId));
}

/** Between two drafts of an answer; the messages are among the conversations. */
function readDraftChoices(db: Db, userId: string) {
  const { questionId, firstId, secondId, verdict, decidedAt, createdAt } = draftPairs;
  return db
    .select({ questionId, firstId, secondId, verdict, decidedAt, createdAt })
    .from(draftPairs)
    .where(eq(draftPairs.userId, userId))
    .orderBy(asc(draftPairs.createdAt));
}

function readDatasetRows(db: Db, userId: string) {
  return db
    .select({
      datasetId: datasetRows.datasetId,
      position: datasetRows.position,
      content: datasetRows.content,
    })
    .from(datasetRows)
    .where(eq(datasetRows.ownerId, userId))
    .orderBy(asc(datasetRows.datasetId), asc(datasetRows.position));
}

/** Made of their conversations, and written by them as labelers. */
function readPrompts(db: Db, userId: string) {
  return db
    .select({
      source: prompts.source,
      conversationId: prompts.conversationId,
      messageId: prompts.messageId,
      useCase: prompts.useCase,
      messages: prompts.messages,
      split: prompts.split,
      status: prompts.status,
      createdAt: prompts.createdAt,
    })
    .from(prompts)
    .where(eq(prompts.ownerId, userId))
    .orderBy(asc(prompts.createdAt), asc(prompts.id));
}

/** What they wrote as a labeler, and how it was rated. The prompts they answered are words of others. */
function readDemonstrations(db: Db, userId: string) {
  return db
    .select({
      text: demonstrations.text,
      version: demonstrations.version,
      rating: demonstrations.rating,
      reviewComment: demonstrations.reviewComment,
      createdAt: demonstrations.createdAt,
    })
    .from(demonstrations)
    .where(eq(demonstrations.labelerId, userId))
    .orderBy(asc(demonstrations.createdAt), asc(demonstrations.id));
}

function readQuestions(db: Db, userId: string) {
  return db
    .select({
      question: taskQuestions.question,
      answer: taskQuestions.answer,
      createdAt: taskQuestions.createdAt,
    })
    .from(taskQuestions)
    .where(eq(taskQuestions.askedBy, userId))
    .orderBy(asc(taskQuestions.createdAt), asc(taskQuestions.id));
}

function readKeys(db: Db, userId: string) {
  return db
    .select({
      name: apiKeys.name,
      suffix: apiKeys.suffix,
      consent: apiKeys.consent,
      createdAt: apiKeys.createdAt,
      lastUsedAt: apiKeys.lastUsedAt,
      revokedAt: apiKeys.revokedAt,
    })
    .from(apiKeys)
    .where(eq(apiKeys.userId, userId));
}

/** Of a draft that waits to be chosen: what would tell which policy wrote it. */
const blind = { checkpointId: null, channel: null, promptTokens: null, tokenIds: null, logprobs: null };

async function listOpenDrafts(db: Db, userId: string): Promise<Set<string>> {
  const rows = await db
    .select({ firstId: draftPairs.firstId, secondId: draftPairs.secondId })
    .from(draftPairs)
    .where(and(eq(draftPairs.userId, userId), isNull(draftPairs.decidedAt)));
  return new Set(rows.flatMap(({ firstId, secondId }) => [firstId, secondId]));
}

/** Deleted ones that can still be restored are theirs too. */
async function* readConversations(db: Db, userId: string) {
  const ids = await db
    .select({ id: conversations.id })
    .from(conversations)
    .where(eq(conversations.userId, userId))
    .orderBy(asc(conversations.createdAt), asc(conversations.id));
  const open = await listOpenDrafts(db, userId);
  for (let start = 0; start < ids.length; start += conversationsPerPage) {
    const page = ids.slice(start, start + conversationsPerPage).map(({ id }) => id);
    const found = await db.select().from(conversations).where(inArray(conversations.id, page));
    const turns = await db
      .select()
      .from(messages)
      .where(inArray(messages.conversationId, page))
      .orderBy(asc(messages.createdAt), asc(messages.id));
    for (const { userId: _, ...conversation } of found) {
      const own = turns.filter((turn) => turn.conversationId === conversation.id);
      yield {
        ...conversation,
        messages: own.map((turn) => (open.has(turn.id) ? { ...turn, ...blind } : turn)),
      };
    }
  }
}
