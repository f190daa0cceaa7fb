/** @file Two policies as they were compared: the evaluations, and each model that judges with how far it is. */
import { asc, count, eq, sql } from "drizzle-orm";
import { batches, evaluationJudges, judgments, prompts, rankingTasks } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import type { JudgeKey } from "./judge-key";
import { waitsForJudge } from "./judge-queue";
import {
  type ComparedPolicy,
  type EvaluationSummary,
  listWhere,
  readComparedPolicies,
} from "./list-evaluations";
import { countChosen } from "./people-judgments";
import { ofPair, type PolicyPair } from "./policy-pair";

export type ModelJudge = {
  judge: Extract<JudgeKey, { kind: "rewardModel" | "endpoint" }>;
  name: string;
  judged: number;
  waiting: number;
  /** Tasks that it could not judge, which are not counted, and why the newest. */
  faults: { count: number; newest: string | null };
};

export type Comparison = {
  candidate: ComparedPolicy;
  opponent: ComparedPolicy;
  /** Newest first. */
  evaluations: EvaluationSummary[];
  judges: ModelJudge[];
  /** Pairs of drafts that people chose between in chat. */
  chosen: number;
};

/** @throws {AppError} NOT_FOUND for a checkpoint that is not known */
export async function readComparison(db: Db, pair: PolicyPair): Promise<Comparison> {
  const policies = await readComparedPolicies(db, [pair.candidateId, pair.opponentId]);
  const [candidate, opponent] = [policies.get(pair.candidateId), policies.get(pair.opponentId)];
  if (!candidate || !opponent) throw new AppError("NOT_FOUND", "There is no such policy.");
  return {
    candidate,
    opponent,
    evaluations: await listWhere(db, ofPair(pair)),
    judges: await readJudges(db, pair),
    chosen: await countChosen(db, pair),
  };
}

/** One that judges several evaluations of the two is one judge. */
async function readJudges(db: Db, pair: PolicyPair): Promise<ModelJudge[]> {
  const rows = await db
    .select({
      id: evaluationJudges.id,
      judge: evaluationJudges.judge,
      name: evaluationJudges.judgeName,
      rewardModelId: evaluationJudges.rewardModelId,
      judged: sql<number>`(count(${judgments.taskId}) filter (where ${judgments.fault} is null))::int`,
      faults: sql<number>`count(${judgments.fault})::int`,
      newest: sql<
        string | null
      >`(array_agg(${judgments.fault} order by ${judgments.createdAt} desc) filter (where ${judgments.fault} is not null))[1]`,
    })
    .from(evaluationJudges)
    .innerJoin(batches, eq(batches.id, evaluationJudges.batchId))
    .leftJoin(judgments, eq(judgments.judgeId, evaluationJudges.id))
    .where(ofPair(pair))
    .groupBy(evaluationJudges.id)
    .orderBy(asc(evaluationJudges.createdAt));
  const waiting = await countWaiting(db, pair);
  const judges = new Map<string, ModelJudge>();
  for (const { id, judge, name, rewardModelId, judged, faults, newest } of rows) {
    const key =
      judge === "rewardModel" ? { kind: judge, rewardModelId: rewardModelId ?? "" } : { kind: judge, name };
    const known = judges.get(rewardModelId ?? name);
    judges.set(rewardModelId ?? name, {
      judge: key,
      name,
      judged: judged + (known?.judged ?? 0),
      waiting: (waiting.get(id) ?? 0) + (known?.waiting ?? 0),
      faults: { count: faults + (known?.faults.count ?? 0), newest: newest ?? known?.faults.newest ?? null },
    });
  }
  return [...judges.values()];
}

async function countWaiting(db: Db, pair: PolicyPair): Promise<Map<string, number>> {
  const rows = await db
    .select({ id: evaluationJudges.id, n: count() })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(evaluationJudges, eq(evaluationJudges.batchId, batches.id))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(sql`${ofPair(pair)} and ${waitsForJudge}`)
    .groupBy(evaluationJudges.id);
  return new Map(rows.map(({ id, n }) => [id, n]));
}
