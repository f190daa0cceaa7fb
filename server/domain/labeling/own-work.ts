/** @file A labeler's own work: what they submitted, reopened for a redo until a snapshot has taken it, and their figures. */
import { and, asc, desc, eq, sql } from "drizzle-orm";
import {
  batches,
  prompts,
  qualifications,
  rankedResponses,
  rankings,
  rankingTasks,
  snapshotRankings,
  taskClaims,
} from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { pairsOf } from "../batches/counted-rankings";
import { findSitting } from "../qualification/sitting-progress";
import { expiryFrom } from "./claims";
import { lockLabeler } from "./labelers";
import type { Draft, TaskView } from "./task-schema";
import { readTaskView } from "./task-view";
import { type Batch, readTask } from "./tasks";

const recentLimit = 50;
const promptStartCharacters = 160;

export type OwnRanking = {
  rankingId: string;
  taskId: string;
  /** Beginning of the prompt's last turn. */
  promptStart: string;
  submittedAt: Date;
  activeMs: number;
  status: "submitted" | "returned";
  returnedComment: string | null;
  /** Not once a snapshot has taken it, or its prompt was withdrawn. */
  canReopen: boolean;
};

// Nested, so that Drizzle names the table of `rankings.id` in the fields of a query over one table too.
const isTaken = sql<boolean>`${sql`exists (
  select 1 from ${snapshotRankings} where ${snapshotRankings.rankingId} = ${rankings.id}
)`}`;

/** The rule of `checkMayRedo`, for lists. */
const isOpenToRedo = sql<boolean>`(
  ${batches.purpose} in ('work', 'evaluation') or (${batches.purpose} = 'qualification' and exists (
    select 1 from ${qualifications} where ${qualifications.batchId} = ${batches.id}
      and ${qualifications.labelerId} = ${rankings.labelerId} and ${qualifications.status} = 'sitting'
      and ${rankings.createdAt} >= ${qualifications.startedAt}
  ))
)`;

/** The newest 50, returned ones first. */
export async function listOwnRankings(db: Db, labelerId: string): Promise<OwnRanking[]> {
  const rows = await db
    .select({
      rankingId: rankings.id,
      taskId: rankings.taskId,
      messages: prompts.messages,
      submittedAt: rankings.createdAt,
      activeMs: rankings.activeMs,
      status: rankings.status,
      returnedComment: rankings.returnedComment,
      canReopen: sql<boolean>`${rankingTasks.status} <> 'excluded' and not ${isTaken} and ${isOpenToRedo}`,
    })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(and(eq(rankings.labelerId, labelerId), eq(rankings.isCurrent, true), eq(rankings.kind, "labeler")))
    .orderBy(sql`${rankings.status} = 'returned' desc`, desc(rankings.createdAt))
    .limit(recentLimit);
  return rows.map(({ messages, ...row }) => ({
    ...row,
    promptStart: (messages.at(-1)?.content ?? "").slice(0, promptStartCharacters),
  }));
}

/**
 * Opens an own ranking again, as it was submitted. Submitting it makes a new version; the old one is kept.
 * @throws {AppError} NOT_FOUND; CONFLICT when a snapshot has taken it or its prompt was withdrawn
 */
export async function reopenRanking(
  db: Db,
  { rankingId, labelerId }: { rankingId: string; labelerId: string },
): Promise<TaskView> {
  const claimId = await db.transaction(async (tx) => {
    await lockLabeler(tx, labelerId);
    const [ranking] = await tx
      .select({
        taskId: rankings.taskId,
        mode: rankings.mode,
        noneAcceptable: rankings.noneAcceptable,
        responseOrder: rankings.responseOrder,
        isTaken,
      })
      .from(rankings)
      .where(
        and(
          eq(rankings.id, rankingId),
          eq(rankings.labelerId, labelerId),
          eq(rankings.isCurrent, true),
          eq(rankings.kind, "labeler"),
        ),
      );
    if (!ranking)
      throw new AppError("NOT_FOUND", "There is no such ranking of yours, or a newer one took its place.");
    const { task, batch } = await readTask(tx, ranking.taskId);
    await checkMayRedo(tx, { labelerId, batch });
    if (ranking.isTaken) {
      throw new AppError("CONFLICT", "A dataset was made of this ranking already, so it stays as it is.");
    }
    if (task.status === "excluded") {
      throw new AppError(
        "CONFLICT",
        "The prompt of this ranking was withdrawn, so there is nothing to do again.",
      );
    }
    const draft = await toDraft(tx, rankingId, ranking);
    const now = new Date();
    const values = {
      draft,
      responseOrder: ranking.responseOrder,
      expiresAt: expiryFrom(now),
      releasedAt: null,
    };
    const [claim] = await tx
      .insert(taskClaims)
      .values({ taskId: ranking.taskId, labelerId, claimedAt: now, ...values })
      // Reopened before and left: that draft is newer than the ranking.
      .onConflictDoUpdate({
        target: [taskClaims.taskId, taskClaims.labelerId],
        set: { expiresAt: values.expiresAt, releasedAt: null, claimedAt: now },
      })
      .returning({ id: taskClaims.id });
    if (!claim) throw new Error(`The claim that redoes ranking ${rankingId} was not stored.`);
    return claim.id;
  });
  return readTaskView(db, { claimId, labelerId });
}

/** What was handed in stays as it was; what practice has explained would be copied. */
async function checkMayRedo(
  tx: Tx,
  { labelerId, batch }: { labelerId: string; batch: Batch },
): Promise<void> {
  if (batch.purpose === "practice") {
    throw new AppError(
      "CONFLICT",
      "This practice task was explained to you already. Go on with the next one.",
    );
  }
  if (batch.purpose !== "qualification") return;
  const sitting = await findSitting(tx, labelerId);
  if (sitting?.status !== "sitting" || sitting.batchId !== batch.id) {
    throw new AppError("CONFLICT", "This belongs to a test that was handed in, so it stays as it is.");
  }
}

type Redone = { mode: (typeof rankings.$inferSelect)["mode"]; noneAcceptable: boolean };

async function toDraft(db: Db, rankingId: string, { mode, noneAcceptable }: Redone): Promise<Draft> {
  const rows = await db
    .select()
    .from(rankedResponses)
    .where(eq(rankedResponses.rankingId, rankingId))
    .orderBy(asc(rankedResponses.rank));
  const ranks = [...new Set(rows.map(({ rank }) => rank))];
  return {
    step: "rank",
    mode: mode === "imported" ? "board" : mode,
    ratings: Object.fromEntries(
      rows.map(({ responseId, overall, helpful, honest, harmless, flags, note }) => [
        responseId,
        // Flags of a later version of the list would not fit the schema of this one; the page drops what it does not know.
        { overall, helpful, honest, harmless, flags: flags as Draft["ratings"][string]["flags"], note },
      ]),
    ),
    tiers: ranks.map((rank) => rows.filter((row) => row.rank === rank).map(({ responseId }) => responseId)),
    insertion: null,
    noneAcceptable,
    demonstration: null,
  };
}

export type OwnFigures = {
  tasks: number;
  comparisons: number;
  ties: number;
  activeMs: number;
  /** Newest first; a week begins on Monday (UTC). */
  byWeek: { week: string; tasks: number; comparisons: number; activeMs: number }[];
};

/**
 * What this labeler has done, by the rules of payment: a redo is no second task, its pairs count instead of the earlier
 * version's, and skipped tasks count as time.
 */
export async function readOwnFigures(db: Db, labelerId: string): Promise<OwnFigures> {
  const own = sql`${rankings.labelerId} = ${labelerId} and ${rankings.kind} = 'labeler'`;
  const { rows: weeks } = await db.execute<{
    week: string;
    tasks: number;
    comparisons: number;
    ties: number;
    active_ms: number;
  }>(sql`
    with pairs as (
      select ranking_id, comparisons, ties from ${pairsOf(sql`${own} and ${rankings.isCurrent}`)} p
    ), work as (
      select created_at, active_ms, case when version = 1 then 1 else 0 end as done, comparisons, ties
        from ${rankings} left join pairs on pairs.ranking_id = ${rankings.id} where ${own}
      union all select created_at, active_ms, case when version = 1 then 1 else 0 end, 0, 0
        from demonstrations where labeler_id = ${labelerId}
      union all select created_at, active_ms, 0, 0, 0 from task_skips where labeler_id = ${labelerId}
    )
    select to_char(date_trunc('week', created_at, 'UTC') at time zone 'UTC', 'YYYY-MM-DD') as week,
      sum(done)::int as tasks, coalesce(sum(comparisons), 0)::int as comparisons, coalesce(sum(ties), 0)::int as ties,
      sum(active_ms)::float8 as active_ms
    from work group by 1 order by 1 desc`);
  const total = (of: (week: (typeof weeks)[number]) => number) =>
    weeks.reduce((sum, week) => sum + of(week), 0);
  return {
    tasks: total(({ tasks }) => tasks),
    comparisons: total(({ comparisons }) => comparisons),
    ties: total(({ ties }) => ties),
    activeMs: total(({ active_ms }) => active_ms),
    byWeek: weeks.map(({ week, tasks, comparisons, active_ms }) => ({
      week,
      tasks,
      comparisons,
      activeMs: active_ms,
    })),
  };
}
