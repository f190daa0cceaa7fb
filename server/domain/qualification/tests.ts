/** @file Qualification tests: a batch of rankings with known answers, one of demonstrations, and what passes. */

import { and, desc, eq, inArray, isNotNull, isNull, or, sql } from "drizzle-orm";
import {
  batches,
  labelers,
  prompts,
  qualifications,
  qualificationTests,
  rankingTasks,
} from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import type { NewBatch } from "../batches/batch-schema";
import { choosePrompts } from "../batches/choose-prompts";
import { isUsablePrompt } from "../prompts/usable-prompts";
import { findUnready, type Readiness, readReadiness } from "./known-answers";
import type { Cutoffs } from "./score";
import type { NewTest, TestSettings } from "./test-schema";

export type Test = typeof qualificationTests.$inferSelect;

type Making = {
  batchId: string;
  batch: NewBatch;
  test: NewTest;
  guidelinesVersion: number;
  actorId: string;
};

/**
 * The settings of a test that was just made, and the batch of its demonstrations: on prompts of the same choice that it
 * does not rank, since who has read answers to one writes from them.
 * @throws {AppError} BAD_REQUEST when there are too few prompts
 */
export async function insertTest(
  tx: Tx,
  { batchId, batch, test: { demonstrations, ...settings }, guidelinesVersion, actorId }: Making,
): Promise<void> {
  const promptIds = demonstrations === 0 ? [] : await chooseOthers(tx, { batchId, batch, demonstrations });
  let demonstrationBatchId: string | null = null;
  if (promptIds.length > 0) {
    const [made] = await tx
      .insert(batches)
      .values({
        name: `${batch.name}: demonstrations`.slice(0, 100),
        task: "demonstration",
        purpose: "qualification",
        status: "preparing",
        k: 0,
        groupId: batch.groupId,
        guidelinesVersion,
        hasRatings: false,
        createdBy: actorId,
      })
      .returning({ id: batches.id });
    if (!made) throw new Error("The batch of the test's demonstrations was not stored.");
    demonstrationBatchId = made.id;
    await tx.insert(rankingTasks).values(
      promptIds.map((promptId, position) => ({
        batchId: made.id,
        promptId,
        status: "open" as const,
        openPlaces: 1,
        position,
      })),
    );
  }
  await tx.insert(qualificationTests).values({ batchId, demonstrationBatchId, ...settings });
}

async function chooseOthers(
  tx: Tx,
  { batchId, batch, demonstrations }: { batchId: string; batch: NewBatch; demonstrations: number },
): Promise<string[]> {
  const ranked = await tx
    .select({ promptId: rankingTasks.promptId })
    .from(rankingTasks)
    .where(eq(rankingTasks.batchId, batchId));
  const taken = new Set(ranked.map(({ promptId }) => promptId));
  const filter = batch.prompts.by === "filter" ? batch.prompts : anyPrompt;
  const found = await choosePrompts(
    tx,
    { task: "demonstration", responsesFrom: "policies" },
    {
      ...filter,
      by: "filter",
      includesUsed: true,
      count: demonstrations + taken.size,
    },
  );
  const others = found.filter((id) => !taken.has(id)).slice(0, demonstrations);
  if (others.length < demonstrations) {
    throw new AppError(
      "BAD_REQUEST",
      `${demonstrations} demonstrations need as many prompts beside those that are ranked, and there are ${others.length}. Ask for fewer, or let more prompts in.`,
    );
  }
  return others;
}

const anyPrompt = { sources: [], splits: [], includesSensitive: false, order: "priority" as const };

/** @throws {AppError} NOT_FOUND */
export async function readTest(db: Db, batchId: string): Promise<Test> {
  const [test] = await db.select().from(qualificationTests).where(eq(qualificationTests.batchId, batchId));
  if (!test) throw new AppError("NOT_FOUND", "There is no such qualification test.");
  return test;
}

export type TestSummary = {
  batchId: string;
  name: string;
  purpose: "practice" | "qualification";
  status: (typeof batches.$inferSelect)["status"];
  createdAt: Date;
  /** Null: practice. */
  test: TestSettings | null;
  demonstrationBatchId: string | null;
  demonstrations: number;
  readiness: Readiness;
  /** Why it cannot be opened yet; null = it can. */
  problem: string | null;
  sittings: number;
  passed: number;
};

/** Practice sets and tests, the newest first. */
export async function listTests(db: Db): Promise<TestSummary[]> {
  const rows = await db
    .select({
      batch: batches,
      test: qualificationTests,
      demonstrations: sql<number>`(
        select count(*)::int from ${rankingTasks}
        where ${rankingTasks.batchId} = ${qualificationTests.demonstrationBatchId} and ${rankingTasks.status} <> 'excluded'
      )`,
      sittings: sql<number>`(select count(*)::int from ${qualifications} where ${qualifications.batchId} = ${batches.id})`,
      passed: sql<number>`(select count(*)::int from ${qualifications} where ${qualifications.batchId} = ${batches.id} and ${qualifications.status} = 'passed')`,
    })
    .from(batches)
    .leftJoin(qualificationTests, eq(qualificationTests.batchId, batches.id))
    .where(or(eq(batches.purpose, "practice"), isNotNull(qualificationTests.batchId)))
    .orderBy(desc(batches.createdAt))
    .limit(200);
  const listed: TestSummary[] = [];
  for (const { batch, test, ...counts } of rows) {
    const purpose = batch.purpose === "practice" ? ("practice" as const) : ("qualification" as const);
    const readiness = await readReadiness(db, batch.id);
    listed.push({
      batchId: batch.id,
      name: batch.name,
      purpose,
      status: batch.status,
      createdAt: batch.createdAt,
      demonstrationBatchId: test?.demonstrationBatchId ?? null,
      readiness,
      problem: findUnready(readiness, purpose),
      test: test && settingsOf(test),
      ...counts,
    });
  }
  return listed;
}

/** Those that a sitting was decided by; of one that was not, those of today. */
export function cutoffsOf(sitting: { cutoffs: Cutoffs | null }, test: Test): Cutoffs {
  const { flagCutoff, rankingCutoff, ratingCutoff, demonstrationBatchId } = test;
  return (
    sitting.cutoffs ?? {
      flagCutoff,
      rankingCutoff,
      ratingCutoff,
      asksDemonstrations: demonstrationBatchId !== null,
    }
  );
}

export function settingsOf(test: Test): TestSettings {
  const { flagCutoff, rankingCutoff, ratingCutoff, retakeAfterDays, mostSittings, areas } = test;
  return { flagCutoff, rankingCutoff, ratingCutoff, retakeAfterDays, mostSittings, areas };
}

/** Holds for sittings that end from now on. @throws {AppError} NOT_FOUND */
export async function changeTest(
  db: Db,
  { batchId, actorId, settings }: { batchId: string; actorId: string; settings: TestSettings },
): Promise<void> {
  await db.transaction(async (tx) => {
    await readTest(tx, batchId);
    await tx.update(qualificationTests).set(settings).where(eq(qualificationTests.batchId, batchId));
    const { areas, ...figures } = settings;
    await appendAudit(tx, {
      actorId,
      action: "qualificationTest.changed",
      subject: batchId,
      details: { ...figures, areas: areas.length },
    });
  });
}

/** The newest open test that is for this labeler's group or for everybody. */
export async function findTestFor(
  db: Db,
  { groupId }: { groupId: string | null },
): Promise<{ test: Test; name: string } | null> {
  const [found] = await db
    .select({ test: qualificationTests, name: batches.name })
    .from(qualificationTests)
    .innerJoin(batches, eq(batches.id, qualificationTests.batchId))
    .where(
      and(
        eq(batches.status, "open"),
        groupId === null
          ? isNull(batches.groupId)
          : or(isNull(batches.groupId), eq(batches.groupId, groupId)),
      ),
    )
    .orderBy(desc(batches.createdAt))
    .limit(1);
  return found ?? null;
}

/** Whose test a batch of demonstrations belongs to; null where it is none. */
export async function findTestOfDemonstrations(db: Db, batchId: string): Promise<Test | null> {
  const [test] = await db
    .select()
    .from(qualificationTests)
    .where(eq(qualificationTests.demonstrationBatchId, batchId));
  return test ?? null;
}

export const batchIdsOf = ({ batchId, demonstrationBatchId }: Test): string[] =>
  demonstrationBatchId === null ? [batchId] : [batchId, demonstrationBatchId];

/** How many tasks a sitting will have, about: own and withdrawn prompts are left out for each labeler. */
export async function countTestTasks(
  db: Db,
  test: Test,
): Promise<{ rankings: number; demonstrations: number }> {
  const rows = await db
    .select({ batchId: rankingTasks.batchId, n: sql<number>`count(*)::int` })
    .from(rankingTasks)
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(isUsablePrompt, inArray(rankingTasks.batchId, batchIdsOf(test)), eq(rankingTasks.status, "open")),
    )
    .groupBy(rankingTasks.batchId);
  const countOf = (batchId: string | null) => rows.find((row) => row.batchId === batchId)?.n ?? 0;
  return { rankings: countOf(test.batchId), demonstrations: countOf(test.demonstrationBatchId) };
}

/** All who are qualified: until they pass the newest open test, they are given no work. @returns how many were asked */
export async function askAllAgain(
  db: Db,
  { reason, actorId }: { reason: string; actorId: string },
): Promise<{ asked: number }> {
  return db.transaction(async (tx) => {
    await checkTestIsOpen(tx);
    const asked = await tx
      .update(labelers)
      .set({ qualifiedAt: null, requalifyAskedAt: new Date(), requalifyReason: reason })
      .where(isNotNull(labelers.qualifiedAt))
      .returning({ userId: labelers.userId });
    await appendAudit(tx, {
      actorId,
      action: "labeler.requalificationAsked",
      subject: "all",
      details: { asked: asked.length },
    });
    return { asked: asked.length };
  });
}

/** @throws {AppError} PRECONDITION_FAILED: asking for what nobody can do would only stop the work */
export async function checkTestIsOpen(db: Db): Promise<void> {
  const open = await db
    .select({ id: batches.id })
    .from(qualificationTests)
    .innerJoin(batches, eq(batches.id, qualificationTests.batchId))
    .where(eq(batches.status, "open"))
    .limit(1);
  if (open.length === 0) {
    throw new AppError(
      "PRECONDITION_FAILED",
      "No qualification test is open. Open one first, so that it can be sat.",
    );
  }
}
