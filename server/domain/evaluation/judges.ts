/** @file Who judges an evaluation beside labelers: reward models that trained neither of its policies. */
import { and, eq, isNull, sql } from "drizzle-orm";
import { batches, checkpoints, evaluationJudges } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import type { JudgeEndpoint } from "./endpoint-judge";
import type { PolicyPair } from "./policy-pair";

export type NewJudge = { batchId: string; pair: PolicyPair; rewardModelId: string; actorId: string };

/** Harmless the second time. @throws {AppError} NOT_FOUND; BAD_REQUEST for another kind of checkpoint, and for one that trained a policy */
export async function insertRewardModelJudge(
  tx: Tx,
  { batchId, pair, rewardModelId, actorId }: NewJudge,
): Promise<void> {
  const [model] = await tx
    .select({ name: checkpoints.name, stage: checkpoints.stage })
    .from(checkpoints)
    .where(and(eq(checkpoints.id, rewardModelId), isNull(checkpoints.deletedAt)));
  if (!model) throw new AppError("NOT_FOUND", "There is no such reward model, or its files were deleted.");
  if (model.stage !== "reward") {
    throw new AppError("BAD_REQUEST", `“${model.name}” answers; only a reward model judges answers.`);
  }
  const taught = await findTaught(tx, pair, rewardModelId);
  if (taught) {
    throw new AppError(
      "BAD_REQUEST",
      `Run ${taught.run} trained “${taught.policy}” to please “${taught.rewardModel}”${taught.rewardModel === model.name ? "" : `, made by the same run as “${model.name}”`}: it cannot judge. Choose another reward model.`,
    );
  }
  await tx
    .insert(evaluationJudges)
    .values({ batchId, judge: "rewardModel", judgeName: model.name, rewardModelId, createdBy: actorId })
    .onConflictDoNothing();
}

/** What people wrote goes to somebody else's server from then on. Harmless the second time. @throws {AppError} BAD_REQUEST where none is set */
export async function insertEndpointJudge(
  tx: Tx,
  { batchId, endpoint, actorId }: { batchId: string; endpoint: JudgeEndpoint | null; actorId: string },
): Promise<void> {
  if (!endpoint) {
    throw new AppError(
      "BAD_REQUEST",
      "No judge's endpoint is set. ATTUNE_JUDGE_URL and ATTUNE_JUDGE_MODEL name one.",
    );
  }
  await tx
    .insert(evaluationJudges)
    .values({ batchId, judge: "endpoint", judgeName: endpoint.model, createdBy: actorId })
    .onConflictDoNothing();
}

/** @throws {AppError} NOT_FOUND; CONFLICT for a closed evaluation; BAD_REQUEST as when one is made */
export async function addJudge(db: Db, { batchId, judge, endpoint, actorId }: AddedJudge): Promise<void> {
  await db.transaction(async (tx) => {
    const [batch] = await tx
      .select({ policies: batches.policies, status: batches.status })
      .from(batches)
      .where(and(eq(batches.id, batchId), eq(batches.purpose, "evaluation")))
      .for("key share");
    const [candidateId, opponentId] = batch?.policies ?? [];
    if (!batch || !candidateId || !opponentId)
      throw new AppError("NOT_FOUND", "There is no such evaluation.");
    if (batch.status === "closed") {
      throw new AppError("CONFLICT", "This evaluation is closed. Open its batch again first.");
    }
    if (judge === "endpoint") await insertEndpointJudge(tx, { batchId, endpoint, actorId });
    else {
      const pair = { candidateId, opponentId };
      await insertRewardModelJudge(tx, { batchId, pair, rewardModelId: judge.rewardModelId, actorId });
    }
    await appendAudit(tx, {
      actorId,
      action: "evaluation.judgeAdded",
      subject: batchId,
      details: judge === "endpoint" ? { endpoint: endpoint?.model ?? null } : judge,
    });
  });
}

type AddedJudge = {
  batchId: string;
  judge: { rewardModelId: string } | "endpoint";
  endpoint: JudgeEndpoint | null;
  actorId: string;
};

type Taught = { policy: string; run: number; rewardModel: string };

/** A run behind one of the two that learned from this reward model, or from another checkpoint of the run that made it. */
async function findTaught(db: Db | Tx, pair: PolicyPair, rewardModelId: string): Promise<Taught | null> {
  const { rows } = await db.execute<{ policy: string; run: number; reward_model: string }>(sql`
    with recursive behind(policy_id, id) as (
      select id, id from checkpoints where id in (${pair.candidateId}, ${pair.opponentId})
      union
      select behind.policy_id, source.id from behind
        join checkpoints c on c.id = behind.id left join runs r on r.id = c.run_id
        cross join lateral (select c.parent_id as id union select r.base_checkpoint_id) source
      where source.id is not null
    )
    select policy.name as policy, runs.number as run, taught.name as reward_model
    from behind
      join checkpoints made on made.id = behind.id
      join run_reward_models used on used.run_id = made.run_id and used.role = 'score'
      join checkpoints taught on taught.id = used.checkpoint_id
      join checkpoints policy on policy.id = behind.policy_id
      join runs on runs.id = used.run_id
    where taught.id = ${rewardModelId}
      or taught.run_id = (select own.run_id from checkpoints own where own.id = ${rewardModelId})
    limit 1`);
  const [found] = rows;
  return found ? { policy: found.policy, run: found.run, rewardModel: found.reward_model } : null;
}
