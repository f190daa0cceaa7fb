/** @file What became of each piece of a person's feedback, as far as the policy people talk to. Says nothing of who ranked. */
import { and, count, desc, eq, inArray, isNotNull, min, ne, sql } from "drizzle-orm";
import {
  batches,
  channels,
  conversations,
  datasets,
  demonstrations,
  feedback,
  messages,
  prompts,
  rankings,
  rankingTasks,
  snapshotDemonstrations,
  snapshotRankings,
} from "@/drizzle/schema";
import type { Db } from "../db/db";
import { liveChannel } from "./channels";
import { type Feedback, toFeedback } from "./feedback";
import { listCheckpointsBehind, listDatasetsOf } from "./learned-from";
import { isUsableConversation } from "./usable-conversations";

/**
 * In order of the way: notUsed: its owner does not let it be used · waiting: not looked at yet · leftOut: by a rule or a
 * person · queued: waits for labelers · ranked · inSnapshot: in data that models learn from · live: the policy people talk to
 * learned from it.
 */
export const journeyStages = [
  "notUsed",
  "waiting",
  "leftOut",
  "queued",
  "ranked",
  "inSnapshot",
  "live",
] as const;
export type JourneyStage = (typeof journeyStages)[number];

export type FeedbackJourney = {
  id: string;
  conversationId: string;
  conversationTitle: string;
  /** Beginning of the question it is about. */
  question: string;
  thumb: Feedback["thumb"];
  comparison: "better" | "same" | "worse" | null;
  hasCorrection: boolean;
  givenAt: Date;
  stage: JourneyStage;
  leftOutBecause: "duplicate" | "ownerLimit" | "tooLong" | "reported" | null;
  /** How many rankings there are of the question's answers. */
  rankings: number;
  snapshotAt: Date | null;
  liveSince: Date | null;
};

const questionCharacters = 120;

/** Newest first. @param cursor how many to leave out */
export async function readFeedbackJourney(
  db: Db,
  { userId, cursor, limit }: { userId: string; cursor: number; limit: number },
): Promise<{ feedback: FeedbackJourney[]; nextCursor: number | null }> {
  const rows = await readOwnFeedback(db, { userId, cursor, limit: limit + 1 });
  const page = rows.slice(0, limit);
  const promptIds = page.flatMap(({ prompt }) => prompt?.id ?? []);
  const progress = await readProgress(db, promptIds);
  return {
    feedback: page.map((row) => toJourney(row, row.prompt ? progress.get(row.prompt.id) : undefined)),
    nextCursor: rows.length > limit ? cursor + limit : null,
  };
}

type OwnFeedback = Awaited<ReturnType<typeof readOwnFeedback>>[number];

function readOwnFeedback(
  db: Db,
  { userId, cursor, limit }: { userId: string; cursor: number; limit: number },
) {
  return db
    .select({
      row: feedback,
      prompt: { id: prompts.id, status: prompts.status, removedBy: prompts.removedBy },
      conversationId: conversations.id,
      conversationTitle: conversations.title,
      isUsable: isUsableConversation,
      question: sql<string>`coalesce((
        select left(question.content, ${questionCharacters}::int) from ${messages} question
        where question.id = ${messages.parentId}
      ), '')`,
    })
    .from(feedback)
    .innerJoin(messages, eq(messages.id, feedback.messageId))
    .innerJoin(conversations, eq(conversations.id, messages.conversationId))
    .leftJoin(prompts, eq(prompts.messageId, messages.parentId))
    .where(and(eq(feedback.userId, userId), eq(conversations.userId, userId)))
    .orderBy(desc(feedback.createdAt), desc(feedback.id))
    .offset(cursor)
    .limit(limit);
}

type Progress = { rankings: number; snapshotAt: Date | null; liveSince: Date | null };

async function readProgress(db: Db, promptIds: readonly string[]): Promise<Map<string, Progress>> {
  const progress = new Map<string, Progress>(
    promptIds.map((id) => [id, { rankings: 0, snapshotAt: null, liveSince: null }]),
  );
  if (promptIds.length === 0) return progress;
  for (const { promptId, n } of await countRankings(db, promptIds)) {
    const entry = progress.get(promptId);
    if (entry) entry.rankings = n;
  }
  const live = await readLive(db);
  for (const { promptId, datasetId, sealedAt } of await readSnapshots(db, promptIds)) {
    const entry = progress.get(promptId);
    if (!entry) continue;
    if (sealedAt && (!entry.snapshotAt || sealedAt < entry.snapshotAt)) entry.snapshotAt = sealedAt;
    if (live?.datasetIds.has(datasetId)) entry.liveSince = live.since;
  }
  return progress;
}

function countRankings(db: Db, promptIds: readonly string[]) {
  return db
    .select({ promptId: rankingTasks.promptId, n: count() })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(
      and(
        inArray(rankingTasks.promptId, [...promptIds]),
        // No policy learns from these.
        ne(batches.purpose, "evaluation"),
        eq(rankings.isCurrent, true),
        eq(rankings.status, "submitted"),
      ),
    )
    .groupBy(rankingTasks.promptId);
}

/** Snapshots that hold a ranking of, or a demonstration for, one of these prompts. */
async function readSnapshots(db: Db, promptIds: readonly string[]) {
  const ids = [...promptIds];
  const ofRankings = db
    .select({ promptId: rankingTasks.promptId, datasetId: datasets.id, sealedAt: min(datasets.sealedAt) })
    .from(snapshotRankings)
    .innerJoin(rankings, eq(rankings.id, snapshotRankings.rankingId))
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(datasets, eq(datasets.id, snapshotRankings.datasetId))
    .where(and(inArray(rankingTasks.promptId, ids), isNotNull(datasets.sealedAt)))
    .groupBy(rankingTasks.promptId, datasets.id);
  const ofDemonstrations = db
    .select({ promptId: demonstrations.promptId, datasetId: datasets.id, sealedAt: min(datasets.sealedAt) })
    .from(snapshotDemonstrations)
    .innerJoin(demonstrations, eq(demonstrations.id, snapshotDemonstrations.demonstrationId))
    .innerJoin(datasets, eq(datasets.id, snapshotDemonstrations.datasetId))
    .where(and(inArray(demonstrations.promptId, ids), isNotNull(datasets.sealedAt)))
    .groupBy(demonstrations.promptId, datasets.id);
  return [...(await ofRankings), ...(await ofDemonstrations)];
}

/** The datasets that the live policy learned from. */
async function readLive(db: Db): Promise<{ since: Date; datasetIds: Set<string> } | null> {
  const [channel] = await db.select().from(channels).where(eq(channels.name, liveChannel));
  if (!channel) return null;
  const behind = await listCheckpointsBehind(db, channel.checkpointId);
  return { since: channel.changedAt, datasetIds: new Set(await listDatasetsOf(db, behind)) };
}

function toJourney(
  { row, prompt, conversationId, conversationTitle, isUsable, question }: OwnFeedback,
  progress: Progress = { rankings: 0, snapshotAt: null, liveSince: null },
): FeedbackJourney {
  const { thumb, comparison } = toFeedback(row);
  return {
    id: row.id,
    conversationId,
    conversationTitle,
    question,
    thumb,
    comparison: comparison?.verdict ?? null,
    hasCorrection: row.correction !== "",
    givenAt: row.createdAt,
    stage: stageOf({ prompt, isUsable, progress }),
    leftOutBecause: prompt?.status === "reported" ? "reported" : (prompt?.removedBy ?? null),
    ...progress,
  };
}

/** What has been made of it already stays true after consent was withdrawn: a person should see that too. */
function stageOf({
  prompt,
  isUsable,
  progress,
}: Pick<OwnFeedback, "prompt" | "isUsable"> & { progress: Progress }): JourneyStage {
  if (progress.liveSince) return "live";
  if (progress.snapshotAt) return "inSnapshot";
  if (!isUsable) return "notUsed";
  if (!prompt) return "waiting";
  if (prompt.status === "removed" || prompt.status === "reported") return "leftOut";
  return progress.rankings > 0 ? "ranked" : "queued";
}
