/** @file A lead's review of rankings: read side by side, given back with a comment, or settled by a ranking of the lead's own. */
import { and, desc, eq, inArray, lt, ne, or, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import {
  rankedResponses,
  rankings,
  rankingTasks,
  responses,
  snapshotRankings,
  taskResponses,
  users,
} from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { ensureLabeler } from "../labeling/labelers";
import { readTask } from "../labeling/tasks";
import { isCountedRanking, isSetAside } from "./counted-rankings";

export type ReviewedRanking = {
  id: string;
  taskId: string;
  kind: "labeler" | "adjudication" | "imported";
  labeler: { id: string | null; name: string };
  status: "submitted" | "returned";
  returnedComment: string | null;
  isSetAside: boolean;
  isInSnapshot: boolean;
  version: number;
  noneAcceptable: boolean;
  activeMs: number;
  createdAt: Date;
  /** Best first; `letter` is the response's place in the task, the same for every labeler. */
  tiers: { responseId: string; letter: string; overall: number | null; flags: string[]; note: string }[][];
  /** Of the pairs that this and the task's other rankings both put in order, the share ordered otherwise; null without any. */
  disagreement: number | null;
};

const letterOf = (position: number) => String.fromCharCode(65 + position);

type RankingsQuery = {
  batchId: string;
  taskId: string | null;
  labelerId: string | null;
  cursor: string | null;
  limit: number;
};

/** Current versions, newest first. */
export async function listRankings(
  db: Db,
  { batchId, taskId, labelerId, cursor, limit }: RankingsQuery,
): Promise<{ rankings: ReviewedRanking[]; nextCursor: string | null }> {
  const rows = await db
    .select({
      ranking: rankings,
      name: users.name,
      isSetAside,
      isInSnapshot: sql<boolean>`exists (select 1 from ${snapshotRankings} where ${snapshotRankings.rankingId} = ${rankings.id})`,
      at: sql<string>`${rankings.createdAt}::text`,
    })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .leftJoin(users, eq(users.id, rankings.labelerId))
    .where(
      and(
        eq(rankingTasks.batchId, batchId),
        eq(rankings.isCurrent, true),
        taskId === null ? undefined : eq(rankings.taskId, taskId),
        labelerId === null ? undefined : eq(rankings.labelerId, labelerId),
        cursor === null ? undefined : isBefore(cursor),
      ),
    )
    .orderBy(desc(rankings.createdAt), desc(rankings.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const placed = await readPlaces(db, [...new Set(page.map(({ ranking }) => ranking.taskId))]);
  const last = page.at(-1);
  return {
    rankings: page.map(({ ranking, name, isSetAside: aside, isInSnapshot }) => ({
      id: ranking.id,
      taskId: ranking.taskId,
      kind: ranking.kind,
      labeler: { id: ranking.labelerId, name: name ?? ranking.pseudonym },
      status: ranking.status,
      returnedComment: ranking.returnedComment,
      isSetAside: aside,
      isInSnapshot,
      version: ranking.version,
      noneAcceptable: ranking.noneAcceptable,
      activeMs: ranking.activeMs,
      createdAt: ranking.createdAt,
      tiers: tiersOf(placed.filter(({ rankingId }) => rankingId === ranking.id)),
      disagreement: disagreementOf(
        placed.filter((one) => one.taskId === ranking.taskId),
        ranking.id,
      ),
    })),
    nextCursor: rows.length > limit && last ? `${last.at} ${last.ranking.id}` : null,
  };
}

/** @throws {AppError} BAD_REQUEST for a cursor of another making */
function isBefore(cursor: string): SQL | undefined {
  const id = cursor.slice(-36);
  const at = cursor.slice(0, -37);
  if (!z.uuid().safeParse(id).success || !/^[0-9 :+.-]{10,40}$/.test(at)) {
    throw new AppError("BAD_REQUEST", "The cursor is not one that a page of rankings ended with.");
  }
  return or(
    lt(rankings.createdAt, sql`${at}::timestamptz`),
    and(eq(rankings.createdAt, sql`${at}::timestamptz`), lt(rankings.id, id)),
  );
}

type Place = {
  rankingId: string;
  taskId: string;
  responseId: string;
  rank: number;
  position: number;
  isCounted: boolean;
  overall: number | null;
  flags: string[];
  note: string;
};

/** Every current ranking's places, of all labelers of these tasks. */
async function readPlaces(db: Db, taskIds: string[]): Promise<Place[]> {
  if (taskIds.length === 0) return [];
  return db
    .select({
      rankingId: rankings.id,
      taskId: rankings.taskId,
      responseId: rankedResponses.responseId,
      rank: rankedResponses.rank,
      position: taskResponses.position,
      isCounted: isCountedRanking,
      overall: rankedResponses.overall,
      flags: rankedResponses.flags,
      note: rankedResponses.note,
    })
    .from(rankedResponses)
    .innerJoin(rankings, eq(rankings.id, rankedResponses.rankingId))
    .innerJoin(
      taskResponses,
      and(
        eq(taskResponses.taskId, rankings.taskId),
        eq(taskResponses.responseId, rankedResponses.responseId),
      ),
    )
    .where(and(inArray(rankings.taskId, taskIds), eq(rankings.isCurrent, true)))
    .orderBy(rankedResponses.rank, taskResponses.position);
}

function tiersOf(places: readonly Place[]): ReviewedRanking["tiers"] {
  const ranks = [...new Set(places.map(({ rank }) => rank))].sort((a, b) => a - b);
  return ranks.map((rank) =>
    places
      .filter((place) => place.rank === rank)
      .map(({ responseId, position, overall, flags, note }) => ({
        responseId,
        letter: letterOf(position),
        overall,
        flags,
        note,
      })),
  );
}

/** Ties on either side are left out: a pair counts where both sides put it in order. */
export function disagreementOf(
  places: readonly Pick<Place, "rankingId" | "responseId" | "rank" | "isCounted">[],
  rankingId: string,
): number | null {
  const mine = places.filter((place) => place.rankingId === rankingId);
  const others = places.filter((place) => place.rankingId !== rankingId && place.isCounted);
  let pairs = 0;
  let against = 0;
  for (const other of new Set(others.map((place) => place.rankingId))) {
    const theirs = others.filter((place) => place.rankingId === other);
    const rankOf = new Map(theirs.map(({ responseId, rank }) => [responseId, rank]));
    for (const better of mine) {
      for (const worse of mine) {
        const [a, b] = [rankOf.get(better.responseId), rankOf.get(worse.responseId)];
        if (better.rank >= worse.rank || a === undefined || b === undefined || a === b) continue;
        pairs++;
        if (a > b) against++;
      }
    }
  }
  return pairs === 0 ? null : against / pairs;
}

/**
 * The labeler finds it among their own work, with the comment; what they make of it is a new version.
 * @throws {AppError} NOT_FOUND; CONFLICT when it is in a snapshot, or is nobody's to redo
 */
export async function returnRanking(
  db: Db,
  { rankingId, comment, actorId }: { rankingId: string; comment: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const [ranking] = await tx.select().from(rankings).where(eq(rankings.id, rankingId)).for("update");
    if (!ranking) throw new AppError("NOT_FOUND", "There is no such ranking.");
    if (ranking.kind !== "labeler" || ranking.labelerId === null) {
      throw new AppError("CONFLICT", "Only a labeler's own ranking can be given back.");
    }
    if (!ranking.isCurrent) {
      throw new AppError(
        "CONFLICT",
        "A newer version of this ranking was submitted meanwhile. Read that one.",
      );
    }
    if ((await tx.$count(snapshotRankings, eq(snapshotRankings.rankingId, rankingId))) > 0) {
      throw new AppError("CONFLICT", "A dataset holds this ranking: it does not change any more.");
    }
    await tx
      .update(rankings)
      .set({ status: "returned", returnedComment: comment, returnedBy: actorId })
      .where(eq(rankings.id, rankingId));
    await appendAudit(tx, { actorId, action: "ranking.returned", subject: rankingId });
  });
}

export const adjudicationSchema = z.object({
  taskId: z.uuid(),
  /** All responses of the task, each once; best first, those of one tier tied. */
  tiers: z.array(z.array(z.uuid()).min(1).max(9)).min(1).max(9),
});

/**
 * A lead's second adjudication of a task is a new version of the first.
 * @throws {AppError} NOT_FOUND; BAD_REQUEST when the tiers do not hold each response once
 */
export async function adjudicateTask(
  db: Db,
  { taskId, tiers, actorId }: z.infer<typeof adjudicationSchema> & { actorId: string },
): Promise<{ rankingId: string }> {
  return db.transaction(async (tx) => {
    const { batch } = await readTask(tx, taskId);
    const order = await checkTiers(tx, taskId, tiers);
    const { pseudonym } = await ensureLabeler(tx, actorId);
    const [earlier] = await tx
      .update(rankings)
      .set({ isCurrent: false })
      .where(
        and(
          eq(rankings.taskId, taskId),
          eq(rankings.labelerId, actorId),
          eq(rankings.kind, "adjudication"),
          eq(rankings.isCurrent, true),
        ),
      )
      .returning({ version: rankings.version });
    const [made] = await tx
      .insert(rankings)
      .values({
        taskId,
        kind: "adjudication",
        labelerId: actorId,
        pseudonym,
        version: (earlier?.version ?? 0) + 1,
        mode: "board",
        responseOrder: order,
        guidelinesVersion: batch.guidelinesVersion,
      })
      .returning({ id: rankings.id });
    if (!made) throw new Error(`The adjudication of task ${taskId} was not stored.`);
    await tx
      .insert(rankedResponses)
      .values(
        tiers.flatMap((tier, index) =>
          tier.map((responseId) => ({ rankingId: made.id, responseId, rank: index + 1 })),
        ),
      );
    await appendAudit(tx, { actorId, action: "ranking.adjudicated", subject: taskId });
    return { rankingId: made.id };
  });
}

async function checkTiers(tx: Tx, taskId: string, tiers: readonly string[][]): Promise<string[]> {
  const order = (
    await tx
      .select({ id: responses.id })
      .from(taskResponses)
      .innerJoin(responses, eq(responses.id, taskResponses.responseId))
      .innerJoin(rankingTasks, eq(rankingTasks.id, taskResponses.taskId))
      .where(and(eq(taskResponses.taskId, taskId), ne(rankingTasks.status, "sampling")))
      .orderBy(taskResponses.position)
  ).map(({ id }) => id);
  const placed = tiers.flat();
  const isEachOnce = new Set(placed).size === placed.length && placed.length === order.length;
  if (order.length === 0 || !isEachOnce || placed.some((id) => !order.includes(id))) {
    throw new AppError(
      "BAD_REQUEST",
      `The ranking must hold each of the task's ${order.length} responses once; it holds ${placed.length}.`,
    );
  }
  return order;
}
