/** @file Giving out tasks: each goes to as many labelers as its overlap says and no more, whoever asks at once. */
import { randomInt } from "node:crypto";
import { and, asc, desc, eq, gt, inArray, isNull, lte, ne, or, type SQL, sql } from "drizzle-orm";
import {
  batches,
  demonstrations,
  prompts,
  rankings,
  rankingTasks,
  taskClaims,
  taskResponses,
  taskSkips,
} from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { isUsablePrompt } from "../prompts/usable-prompts";
import { findSitting, type Sitting } from "../qualification/sitting-progress";
import { settleOwnSitting } from "../qualification/sittings";
import { countToday, findHindrance, type Labeler, lockLabeler } from "./labelers";
import { type Draft, draftSchema, type NoTask, type TaskView } from "./task-schema";
import { claimGone, readTaskView } from "./task-view";
import { onePlace } from "./tasks";

/** A claim keeps its place so long after the page last saved. */
const claimLifetimeMs = 60 * 60 * 1000;
export const expiryFrom = (now: Date) => new Date(now.getTime() + claimLifetimeMs);

export type Claim = typeof taskClaims.$inferSelect;

/** What a labeler comes for. */
export const purposes = ["work", "practice", "qualification"] as const;
export type Purpose = (typeof purposes)[number];

/** Of batches: an evaluation is work like other work to labelers, so that they judge it as they judge everything. */
const ofPurpose = (purpose: Purpose): SQL =>
  purpose === "work" ? inArray(batches.purpose, ["work", "evaluation"]) : eq(batches.purpose, purpose);

type Asking = { labelerId: string; purpose?: Purpose };
export type NextTask = { task: TaskView } | { noTask: NoTask };

/**
 * The task this labeler has open already, else one whose place or draft they had lost, else the next of the queue: by
 * batch priority, then by doubt, then by position. Their own prompts and what they have done or put away never come.
 */
export async function claimNext(
  db: Db,
  { labelerId, purpose = "work" }: Asking,
  now = new Date(),
): Promise<NextTask> {
  await releaseExpired(db, now);
  const claim = () => db.transaction((tx) => findOrClaim(tx, { labelerId, purpose }, now));
  let claimed = await claim();
  if (typeof claimed !== "string" && claimed.reason === "notQualified") {
    // The last demonstration of their test may have been rated since.
    if (await settleOwnSitting(db, labelerId)) claimed = await claim();
  }
  if (typeof claimed !== "string") return { noTask: claimed };
  return { task: await readTaskView(db, { claimId: claimed, labelerId }) };
}

/** @returns the claim's id */
async function findOrClaim(
  tx: Tx,
  { labelerId, purpose }: Required<Asking>,
  now: Date,
): Promise<string | NoTask> {
  const labeler = await lockLabeler(tx, labelerId);
  const hindrance = await findHindrance(tx, labeler, purpose);
  if (hindrance) return hindrance;
  const sitting = purpose === "qualification" ? await findSitting(tx, labelerId) : null;
  if (purpose === "qualification") {
    if (sitting?.status !== "sitting") return notSitting;
    if (sitting.testStatus === "paused") return testPaused;
  }
  const open = await findOpenClaim(tx, { labelerId, purpose, sitting });
  if (open) return open;
  const returned = purpose === "work" ? await reopenReturned(tx, labelerId, now) : null;
  if (returned) return returned;
  const capped = purpose === "work" ? await findCap(tx, labeler) : null;
  if (capped) return capped;
  const taskId =
    (purpose === "work" ? await lockDueRepeat(tx, labelerId, now) : null) ??
    (await lockNextTask(tx, { labeler, purpose, sitting }));
  if (taskId === null) return sitting ? testDone : noTasks;
  return insertClaim(tx, { taskId, labelerId, now });
}

const notSitting: NoTask = {
  reason: "notSitting",
  text: "You are not sitting a test now. Its page says what it asks, and lets you begin.",
};
const testPaused: NoTask = {
  reason: "testPaused",
  text: "A lead has paused the test. Your answers are kept; come back later.",
};
const testDone: NoTask = {
  reason: "testDone",
  text: "You have answered everything the test asks. Hand it in to be told how you did.",
};

const noTasks: NoTask = {
  reason: "empty",
  text: "There is no task for you right now. New ones appear here when a labeling lead opens a batch.",
};

async function findCap(tx: Tx, { dailyCap, userId }: Labeler): Promise<NoTask | null> {
  if (dailyCap === null || (await countToday(tx, userId)).tasks < dailyCap) return null;
  return { reason: "dailyCap", text: `You have done your ${dailyCap} tasks of today. Come back tomorrow.` };
}

type Looking = Required<Asking> & {
  /** Of a test: its tasks come from this sitting's batches alone, those answered in an earlier sitting once more. */
  sitting: Sitting | null;
};

/** Takes the place back of a claim that had expired, where there still is one. @returns the claim's id */
async function findOpenClaim(tx: Tx, { labelerId, purpose, sitting }: Looking): Promise<string | null> {
  const open = await tx
    .select({ id: taskClaims.id, taskId: taskClaims.taskId, releasedAt: taskClaims.releasedAt })
    .from(taskClaims)
    .innerJoin(rankingTasks, eq(rankingTasks.id, taskClaims.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        eq(taskClaims.labelerId, labelerId),
        ofPurpose(purpose),
        // Who sits a test may finish it after it was closed.
        sitting ? inArray(batches.id, sitting.batchIds) : eq(batches.status, "open"),
        ne(rankingTasks.status, "excluded"),
        or(isNull(taskClaims.releasedAt), gt(rankingTasks.openPlaces, 0)),
        isUsablePrompt,
      ),
    )
    .orderBy(sql`${taskClaims.releasedAt} desc nulls first`, desc(taskClaims.claimedAt));
  for (const { id, taskId, releasedAt } of open) {
    if (releasedAt === null) {
      await tx
        .update(taskClaims)
        .set({ expiresAt: expiryFrom(new Date()) })
        .where(eq(taskClaims.id, id));
      return id;
    }
    if (await retakePlace(tx, id, taskId)) return id;
  }
  return null;
}

/**
 * A demonstration that a lead gave back, with its text as the draft. Its task is claimed without a place: the demonstration
 * holds it. One that was skipped stays away. @returns the claim's id
 */
async function reopenReturned(tx: Tx, labelerId: string, now: Date): Promise<string | null> {
  const [returned] = await tx
    .select({ made: demonstrations, taskId: rankingTasks.id })
    .from(demonstrations)
    .innerJoin(rankingTasks, eq(rankingTasks.id, demonstrations.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        eq(demonstrations.labelerId, labelerId),
        eq(demonstrations.status, "returned"),
        eq(demonstrations.isCurrent, true),
        eq(batches.status, "open"),
        ne(rankingTasks.status, "excluded"),
        isUsablePrompt,
        sql`not exists (select 1 from ${taskSkips} where ${taskSkips.taskId} = ${rankingTasks.id} and ${taskSkips.labelerId} = ${labelerId})`,
      ),
    )
    .orderBy(asc(demonstrations.reviewedAt))
    .limit(1);
  if (!returned) return null;
  const { made, taskId } = returned;
  const { text, editedFromId, pastedCharacters } = made;
  const draft = draftSchema.parse({
    step: "demonstrate",
    mode: "board",
    demonstration: { text, editedFromId, pastedCharacters },
  });
  const kept = { expiresAt: expiryFrom(now), releasedAt: null };
  const [claim] = await tx
    .insert(taskClaims)
    .values({
      taskId,
      labelerId,
      draft,
      responseOrder: await drawOrder(tx, taskId),
      claimedAt: now,
      ...kept,
    })
    // Begun before and left: that draft is newer than the demonstration.
    .onConflictDoUpdate({ target: [taskClaims.taskId, taskClaims.labelerId], set: kept })
    .returning({ id: taskClaims.id });
  return claim?.id ?? null;
}

async function retakePlace(tx: Tx, claimId: string, taskId: string): Promise<boolean> {
  const taken = await tx
    .update(rankingTasks)
    .set({ openPlaces: sql`${rankingTasks.openPlaces} - ${onePlace}` })
    .where(and(eq(rankingTasks.id, taskId), eq(rankingTasks.status, "open"), gt(rankingTasks.openPlaces, 0)))
    .returning({ id: rankingTasks.id });
  if (taken.length === 0) return false;
  await tx
    .update(taskClaims)
    .set({ releasedAt: null, expiresAt: expiryFrom(new Date()) })
    .where(eq(taskClaims.id, claimId));
  return true;
}

async function lockDueRepeat(tx: Tx, labelerId: string, now: Date): Promise<string | null> {
  return lockFirst(
    tx,
    and(
      eq(rankingTasks.onlyForId, labelerId),
      lte(rankingTasks.notBefore, now),
      eq(batches.status, "open"),
      isUntouchedBy(labelerId),
    ),
    asc(rankingTasks.notBefore),
  );
}

/** Batch by batch, so that each look-up walks one index in its order and stops at the first fit. */
async function lockNextTask(
  tx: Tx,
  { labeler, purpose, sitting }: Pick<Looking, "purpose" | "sitting"> & { labeler: Labeler },
): Promise<string | null> {
  const batchIds = sitting?.batchIds ?? (await listOpenBatches(tx, labeler, purpose));
  for (const id of batchIds) {
    const taskId = await lockFirst(
      tx,
      and(
        eq(rankingTasks.batchId, id),
        isNull(rankingTasks.onlyForId),
        or(isNull(prompts.ownerId), ne(prompts.ownerId, labeler.userId)),
        labeler.seesSensitive ? undefined : eq(prompts.isSensitive, false),
        isUntouchedBy(labeler.userId, sitting?.startedAt),
      ),
      // As the index has it: what a reward model doubts, where the batch asks one, else the plain order.
      sql`${rankingTasks.doubt} desc nulls last, ${rankingTasks.position}`,
    );
    if (taskId !== null) return taskId;
  }
  return null;
}

async function listOpenBatches(
  tx: Tx,
  { groupId }: Labeler,
  purpose: Required<Asking>["purpose"],
): Promise<string[]> {
  const open = await tx
    .select({ id: batches.id })
    .from(batches)
    .where(
      and(
        eq(batches.status, "open"),
        ofPurpose(purpose),
        groupId === null
          ? isNull(batches.groupId)
          : or(isNull(batches.groupId), eq(batches.groupId, groupId)),
      ),
    )
    .orderBy(desc(batches.priority), asc(batches.createdAt));
  return open.map(({ id }) => id);
}

/**
 * Rows that another labeler is taking this moment are passed over. Where only such rows are left they are waited for, since
 * they may have a place yet; a row's condition is checked again once it is locked, so the last try may come too late.
 */
async function lockFirst(tx: Tx, where: SQL | undefined, order: SQL): Promise<string | null> {
  for (const locking of [{ skipLocked: true } as const, {}, {}]) {
    const [task] = await tx
      .select({ id: rankingTasks.id })
      .from(rankingTasks)
      .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
      .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
      .where(and(eq(rankingTasks.status, "open"), gt(rankingTasks.openPlaces, 0), where, isUsablePrompt))
      .orderBy(order)
      .limit(1)
      .for("update", { of: rankingTasks, ...locking });
    if (task) return task.id;
  }
  return null;
}

/** @param since what was answered before then does not count: a test may be sat again */
function isUntouchedBy(labelerId: string, since?: Date): SQL {
  const at = since ?? new Date(0);
  return sql`(
  not exists (select 1 from ${taskClaims} where ${taskClaims.taskId} = ${rankingTasks.id} and ${taskClaims.labelerId} = ${labelerId})
  and not exists (select 1 from ${taskSkips} where ${taskSkips.taskId} = ${rankingTasks.id} and ${taskSkips.labelerId} = ${labelerId})
  and not exists (select 1 from ${rankings} where ${rankings.taskId} = ${rankingTasks.id} and ${rankings.labelerId} = ${labelerId} and ${rankings.createdAt} >= ${at.toISOString()}::timestamptz)
  and not exists (select 1 from ${demonstrations} where ${demonstrations.taskId} = ${rankingTasks.id} and ${demonstrations.labelerId} = ${labelerId} and ${demonstrations.createdAt} >= ${at.toISOString()}::timestamptz)
)`;
}

/** Takes a place of a locked task. @returns the claim's id */
export async function insertClaim(
  tx: Tx,
  { taskId, labelerId, now }: { taskId: string; labelerId: string; now: Date },
): Promise<string> {
  await tx
    .update(rankingTasks)
    .set({ openPlaces: sql`${rankingTasks.openPlaces} - ${onePlace}` })
    .where(eq(rankingTasks.id, taskId));
  const [claim] = await tx
    .insert(taskClaims)
    .values({
      taskId,
      labelerId,
      responseOrder: await drawOrder(tx, taskId),
      claimedAt: now,
      expiresAt: expiryFrom(now),
    })
    .returning({ id: taskClaims.id });
  if (!claim) throw new Error(`The claim on task ${taskId} was not stored.`);
  return claim.id;
}

/** Each labeler sees the responses in an order of their own, so that places on the screen favour none. */
async function drawOrder(tx: Tx, taskId: string): Promise<string[]> {
  const order = (
    await tx
      .select({ id: taskResponses.responseId })
      .from(taskResponses)
      .where(eq(taskResponses.taskId, taskId))
      .orderBy(asc(taskResponses.position))
  ).map(({ id }) => id);
  for (let last = order.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    const [a, b] = [order[last], order[other]];
    if (a !== undefined && b !== undefined) [order[last], order[other]] = [b, a];
  }
  return order;
}

/** Gives back the places of claims nobody has touched for an hour; their drafts stay. @returns how many */
export async function releaseExpired(db: Db, now = new Date()): Promise<number> {
  return db.transaction(async (tx) => {
    const expired = await tx
      .select({ id: taskClaims.id, taskId: taskClaims.taskId, labelerId: taskClaims.labelerId })
      .from(taskClaims)
      .where(and(lte(taskClaims.expiresAt, now), isNull(taskClaims.releasedAt)))
      .orderBy(asc(taskClaims.id))
      .limit(1000)
      .for("update", { skipLocked: true });
    for (const { id, taskId, labelerId } of expired) {
      await tx.update(taskClaims).set({ releasedAt: now }).where(eq(taskClaims.id, id));
      await givePlaceBack(tx, taskId, labelerId);
    }
    return expired.length;
  });
}

/** Gives back the places of a labeler who stops or leaves. */
export async function releaseClaims(tx: Tx, labelerId: string, now = new Date()): Promise<void> {
  const held = await tx
    .update(taskClaims)
    .set({ releasedAt: now })
    .where(and(eq(taskClaims.labelerId, labelerId), isNull(taskClaims.releasedAt)))
    .returning({ taskId: taskClaims.taskId });
  for (const { taskId } of held) await givePlaceBack(tx, taskId, labelerId);
}

/** A claim that redoes a ranking or a demonstration holds no place of its own: what was submitted holds it. */
export async function givePlaceBack(tx: Tx, taskId: string, labelerId: string): Promise<void> {
  if (await hasRanked(tx, taskId, labelerId)) return;
  if (await hasDemonstrated(tx, taskId, labelerId)) return;
  await tx
    .update(rankingTasks)
    .set({ openPlaces: sql`${rankingTasks.openPlaces} + ${onePlace}` })
    .where(eq(rankingTasks.id, taskId));
}

async function hasDemonstrated(tx: Tx, taskId: string, labelerId: string): Promise<boolean> {
  const theirs = and(eq(demonstrations.taskId, taskId), eq(demonstrations.labelerId, labelerId));
  return (await tx.$count(demonstrations, theirs)) > 0;
}

export async function hasRanked(db: Db, taskId: string, labelerId: string): Promise<boolean> {
  return (await db.$count(rankings, and(eq(rankings.taskId, taskId), eq(rankings.labelerId, labelerId)))) > 0;
}

type Saving = { claimId: string; labelerId: string; draft: Draft; draftVersion: number; activeMs: number };

/**
 * Keeps what the page has so far, and the claim alive. A claim that had lost its place gets it back if there is one.
 * @throws {AppError} CONFLICT when another page has saved since; NOT_FOUND when the claim is gone
 */
export async function saveDraft(
  db: Db,
  { claimId, labelerId, draft, draftVersion, activeMs }: Saving,
): Promise<{ draftVersion: number; expiresAt: Date }> {
  return db.transaction(async (tx) => {
    const claim = await lockClaim(tx, claimId, labelerId);
    if (claim.draftVersion !== draftVersion) {
      throw new AppError(
        "CONFLICT",
        "This task was worked on in another window since. Load it again to go on from there.",
      );
    }
    const saved = {
      draft,
      draftVersion: draftVersion + 1,
      activeMs: Math.max(claim.activeMs, activeMs),
      expiresAt: expiryFrom(new Date()),
    };
    await tx.update(taskClaims).set(saved).where(eq(taskClaims.id, claimId));
    if (claim.releasedAt !== null) await retakePlace(tx, claimId, claim.taskId);
    return saved;
  });
}

/** This labeler's claim, locked; null once it was submitted or put away. */
export async function findClaim(tx: Tx, claimId: string, labelerId: string): Promise<Claim | null> {
  const [claim] = await tx
    .select()
    .from(taskClaims)
    .where(and(eq(taskClaims.id, claimId), eq(taskClaims.labelerId, labelerId)))
    .for("update");
  return claim ?? null;
}

/** @throws {AppError} NOT_FOUND */
export async function lockClaim(tx: Tx, claimId: string, labelerId: string): Promise<Claim> {
  const claim = await findClaim(tx, claimId, labelerId);
  if (!claim) throw claimGone();
  return claim;
}
