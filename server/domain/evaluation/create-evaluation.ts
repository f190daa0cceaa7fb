/** @file Makes an evaluation: a batch of pairs, one response of the candidate and one of its opponent to each prompt of held-out users. */
import { and, eq, sql } from "drizzle-orm";
import { z } from "zod";
import { batches, channels, checkpoints, prompts, rankingTasks } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { checkGroup, insertTasks } from "../batches/create-batch";
import { currentGuidelinesVersion } from "../batches/guidelines";
import { liveChannel } from "../channels";
import { checkAnswers, locateCheckpoint } from "../checkpoints";
import { isUsablePrompt } from "../prompts/usable-prompts";
import { resolveSampling } from "../sampling";
import { readSetting } from "../settings";
import { insertRewardModelJudge } from "./judges";
import { ofPair, type PolicyPair } from "./policy-pair";

export const checkpointIdSchema = z.string().regex(/^[0-9a-f]{64}$/, "must be the id of a checkpoint");

export const newEvaluationSchema = z.object({
  candidateId: checkpointIdSchema,
  /** Null: the live policy. */
  opponentId: checkpointIdSchema.nullable().default(null),
  /** Labelers see it beside each task: it names no policy. */
  name: z.string().trim().min(1, "A name has at least one character.").max(100),
  /** As many as there are, where there are fewer. */
  prompts: z.int().min(1).max(5_000).default(200),
  /** Labelers a prompt. */
  overlap: z.int().min(1).max(100).default(1),
  /** Null: everybody who is qualified, the held-out group too. */
  groupId: z.uuid().nullable().default(null),
  maxTokens: z.int().min(1).max(8_192).default(512),
  priority: z.int().min(-100).max(100).default(0),
  /** Reward models that judge each pair too. */
  rewardModelIds: z.array(checkpointIdSchema).max(5).default([]),
});
export type NewEvaluation = z.infer<typeof newEvaluationSchema>;

/**
 * @returns the batch's id and how many prompts it has
 * @throws {AppError} BAD_REQUEST naming what does not fit: one policy twice, a reward model as a policy, no prompt of held-out
 * users, a name that gives a policy away, a reward model that trained one of the two; NOT_FOUND for an unknown checkpoint or group
 */
export async function createEvaluation(
  db: Db,
  evaluation: NewEvaluation,
  { actorId, dataFolder }: { actorId: string; dataFolder: string },
): Promise<{ batchId: string; tasks: number }> {
  const pair = { candidateId: evaluation.candidateId, opponentId: await findOpponent(db, evaluation) };
  await checkPair(db, pair, dataFolder);
  await checkName(db, pair, evaluation.name);
  const sampling = await evaluationSampling(db, evaluation.maxTokens);
  return db.transaction(async (tx) => {
    await checkGroup(tx, evaluation.groupId);
    const promptIds = await chooseTestPrompts(tx, pair, evaluation.prompts);
    const { name, overlap, groupId, priority } = evaluation;
    const [made] = await tx
      .insert(batches)
      .values({
        name,
        task: "pairwise",
        purpose: "evaluation",
        status: "open",
        k: 2,
        overlap,
        groupId,
        priority,
        guidelinesVersion: await currentGuidelinesVersion(tx),
        hasRatings: false,
        policies: [pair.candidateId, pair.opponentId],
        sampling,
        createdBy: actorId,
      })
      .returning({ id: batches.id });
    if (!made) throw new Error("The evaluation was not stored.");
    const batch = { task: "pairwise", responsesFrom: "policies", overlap } as const;
    await insertTasks(tx, made.id, { batch, promptIds, goldTaskIds: [] });
    for (const rewardModelId of evaluation.rewardModelIds) {
      await insertRewardModelJudge(tx, { batchId: made.id, pair, rewardModelId, actorId });
    }
    await appendAudit(tx, {
      actorId,
      action: "evaluation.created",
      subject: made.id,
      details: {
        ...pair,
        tasks: promptIds.length,
        overlap,
        groupId,
        rewardModels: evaluation.rewardModelIds,
      },
    });
    return { batchId: made.id, tasks: promptIds.length };
  });
}

async function findOpponent(db: Db, { opponentId }: NewEvaluation): Promise<string> {
  if (opponentId !== null) return opponentId;
  const [live] = await db.select().from(channels).where(eq(channels.name, liveChannel));
  if (live) return live.checkpointId;
  throw new AppError("BAD_REQUEST", "No policy is live. Choose what the candidate is compared with.");
}

async function checkPair(db: Db, { candidateId, opponentId }: PolicyPair, dataFolder: string): Promise<void> {
  if (candidateId === opponentId) {
    throw new AppError(
      "BAD_REQUEST",
      `Candidate and opponent are one checkpoint, ${candidateId.slice(0, 12)}: a policy is not compared with itself.`,
    );
  }
  for (const checkpointId of [candidateId, opponentId]) {
    await checkAnswers(db, checkpointId);
    await locateCheckpoint(db, checkpointId, dataFolder);
  }
}

/** Who judges blind must not read it above the task. */
async function checkName(db: Db, { candidateId, opponentId }: PolicyPair, name: string): Promise<void> {
  const rows = await db
    .select({ name: checkpoints.name })
    .from(checkpoints)
    .where(sql`${checkpoints.id} in (${candidateId}, ${opponentId})`);
  const told = rows.find((policy) => name.toLowerCase().includes(policy.name.toLowerCase()));
  if (!told) return;
  throw new AppError(
    "BAD_REQUEST",
    `Labelers see the name, and it tells of “${told.name}”. Choose one that names no policy.`,
  );
}

/** As people meet the policy in chat, each draw with a seed of its own. */
async function evaluationSampling(db: Db, maxTokens: number) {
  return { ...resolveSampling(await readSetting(db, "defaultSampling"), {}), maxTokens, seed: null };
}

/** Any of them is as likely as another, so that they stand for all; those the pair has not been judged on come first. */
async function chooseTestPrompts(tx: Tx, pair: PolicyPair, count: number): Promise<string[]> {
  const isJudged = sql`exists (
    select 1 from ${rankingTasks} join ${batches} on ${batches.id} = ${rankingTasks.batchId}
    where ${rankingTasks.promptId} = ${sql`${prompts}.id`} and ${ofPair(pair)}
  )`;
  const found = await tx
    .select({ id: prompts.id })
    .from(prompts)
    .where(and(isUsablePrompt, eq(prompts.split, "test")))
    .orderBy(isJudged, sql`random()`)
    .limit(count);
  if (found.length > 0) return found.map(({ id }) => id);
  const usable = await tx.$count(prompts, isUsablePrompt);
  throw new AppError(
    "BAD_REQUEST",
    `None of the ${usable} prompts that may be used is a held-out user's (split “test”), and a policy is not judged on what it may have learned from. Collect or upload more prompts: one user in ten falls into that split.`,
  );
}
