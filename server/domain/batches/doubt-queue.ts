/** @file Tasks that go to labelers by a reward model's doubt: which models there are to ask, which task is asked about next, how far it is. */
import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, notInArray, sql } from "drizzle-orm";
import { batches, checkpoints, prompts, rankingTasks, responses, taskResponses } from "@/drizzle/schema";
import { manifestSchema } from "@/model/checkpoint/manifest";
import { type DoubtKind, doubtOf } from "@/model/eval/reward/doubt";
import { UnusableScoreError } from "@/model/eval/reward/score-rankings";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import type { Held } from "../../scoring/background-work";
import type { ResponseScore, ScoreRequest } from "../../scoring/protocol";
import { isUsablePrompt } from "../prompts/usable-prompts";
import type { DoubtFirst } from "./batch-schema";

export type DoubtModel = {
  id: string;
  name: string;
  createdAt: Date;
  /** Heads; 1 where it is no ensemble. */
  members: number;
};

/** Reward models whose files are here; newest first. */
export async function listDoubtModels(db: Db): Promise<DoubtModel[]> {
  const rows = await db
    .select()
    .from(checkpoints)
    .where(and(eq(checkpoints.stage, "reward"), isNull(checkpoints.deletedAt)))
    .orderBy(desc(checkpoints.createdAt));
  return rows.map(({ id, name, createdAt, manifest }) => ({
    id,
    name,
    createdAt,
    members: membersOf(manifest),
  }));
}

const membersOf = (manifest: unknown): number => manifestSchema.parse(manifest).ensemble ?? 1;

/** @throws {AppError} NOT_FOUND; BAD_REQUEST for a checkpoint that scores nothing, or one head asked for its deviation */
export async function checkDoubtModel(db: Db | Tx, { by, rewardModelId }: DoubtFirst): Promise<void> {
  const [model] = await db
    .select()
    .from(checkpoints)
    .where(and(eq(checkpoints.id, rewardModelId), isNull(checkpoints.deletedAt)));
  if (!model) throw new AppError("NOT_FOUND", "There is no such reward model.");
  if (model.stage !== "reward") {
    throw new AppError("BAD_REQUEST", `“${model.name}” answers; only a reward model scores answers.`);
  }
  if (by === "deviation" && membersOf(model.manifest) < 2) {
    throw new AppError(
      "BAD_REQUEST",
      `“${model.name}” has one head, so nothing tells how unsure it is. Order by its margins, or train one with “ensemble”.`,
    );
  }
}

export type DoubtTask = Pick<ScoreRequest, "prompt" | "responses"> & {
  id: string;
  by: DoubtKind;
  modelId: string;
};

/** Open and not scored, by batch priority, then in the plain order. A deleted model's tasks stay as they are. */
export async function findTaskToScore(db: Db, { taskIds, modelIds }: Held): Promise<DoubtTask | null> {
  const [next] = await db
    .select({ id: rankingTasks.id, by: batches.doubtBy, modelId: checkpoints.id, prompt: prompts.messages })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(checkpoints, eq(checkpoints.id, batches.doubtModelId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        isNotNull(batches.doubtBy),
        isNull(checkpoints.deletedAt),
        inArray(batches.status, ["open", "preparing"]),
        eq(rankingTasks.status, "open"),
        isNull(rankingTasks.doubt),
        isNull(rankingTasks.onlyForId),
        gt(rankingTasks.openPlaces, 0),
        taskIds.length > 0 ? notInArray(rankingTasks.id, [...taskIds]) : undefined,
        modelIds.length > 0 ? notInArray(checkpoints.id, [...modelIds]) : undefined,
        isUsablePrompt,
      ),
    )
    .orderBy(desc(batches.priority), asc(batches.createdAt), asc(batches.id), asc(rankingTasks.position))
    .limit(1);
  if (!next || next.by === null) return null;
  const texts = await db
    .select({ text: responses.text })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(eq(taskResponses.taskId, next.id))
    .orderBy(asc(taskResponses.position));
  return { ...next, by: next.by, responses: texts.map(({ text }) => text) };
}

/** From now on the task stands before all that are doubted less. @throws UnusableScoreError where a score is no finite number */
export async function storeDoubt(
  db: Db,
  { id, by }: DoubtTask,
  scores: readonly ResponseScore[],
): Promise<void> {
  const doubt = doubtOf(scores, by);
  if (!Number.isFinite(doubt)) throw new UnusableScoreError(id, doubt);
  await db.update(rankingTasks).set({ doubt }).where(eq(rankingTasks.id, id));
}

export type DoubtProgress = { scored: number; waiting: number };

/** By batch, of those that have any: tasks that are scored, and those that still may be. */
export async function readDoubtProgress(
  db: Db,
  batchIds: readonly string[],
): Promise<Map<string, DoubtProgress>> {
  if (batchIds.length === 0) return new Map();
  const rows = await db
    .select({
      batchId: rankingTasks.batchId,
      scored: sql<number>`(count(*) filter (where ${rankingTasks.doubt} is not null))::int`,
      waiting: sql<number>`(count(*) filter (where ${rankingTasks.doubt} is null and ${rankingTasks.status} in ('sampling', 'open')))::int`,
    })
    .from(rankingTasks)
    .where(and(inArray(rankingTasks.batchId, [...batchIds]), isNull(rankingTasks.onlyForId)))
    .groupBy(rankingTasks.batchId);
  return new Map(rows.map(({ batchId, scored, waiting }) => [batchId, { scored, waiting }]));
}
