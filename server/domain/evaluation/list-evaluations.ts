/** @file All evaluations: which policies they compare, and how far the judging is. */
import { desc, eq, inArray, sql } from "drizzle-orm";
import { batches, checkpoints, labelerGroups } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { type Progress, readProgress } from "../batches/progress";

export type ComparedPolicy = { id: string; name: string; stage: string; isDeleted: boolean };

export type EvaluationSummary = {
  batchId: string;
  name: string;
  status: (typeof batches.$inferSelect)["status"];
  overlap: number;
  group: { id: string; name: string; isHeldOut: boolean } | null;
  candidate: ComparedPolicy;
  opponent: ComparedPolicy;
  createdAt: Date;
  progress: Pick<Progress, "tasks" | "rankings" | "labelers" | "openPlaces" | "projectedEnd">;
};

const listed = 500;

/** Newest first. */
export async function listEvaluations(db: Db): Promise<EvaluationSummary[]> {
  return complete(db, await select(db).orderBy(desc(batches.createdAt)).limit(listed));
}

/** @throws {AppError} NOT_FOUND */
export async function readEvaluation(db: Db, batchId: string): Promise<EvaluationSummary> {
  const rows = await select(db).where(
    sql`${batches.id} = ${batchId} and ${eq(batches.purpose, "evaluation")}`,
  );
  const [evaluation] = await complete(db, rows);
  if (!evaluation) throw new AppError("NOT_FOUND", "There is no such evaluation.");
  return evaluation;
}

function select(db: Db) {
  return db
    .select({
      batch: batches,
      group: { id: labelerGroups.id, name: labelerGroups.name, isHeldOut: labelerGroups.isHeldOut },
    })
    .from(batches)
    .leftJoin(labelerGroups, eq(labelerGroups.id, batches.groupId))
    .where(eq(batches.purpose, "evaluation"))
    .$dynamic();
}

async function complete(db: Db, rows: Awaited<ReturnType<typeof select>>): Promise<EvaluationSummary[]> {
  const progress = await readProgress(
    db,
    rows.map(({ batch }) => batch.id),
  );
  const policies = await readComparedPolicies(db, [...new Set(rows.flatMap(({ batch }) => batch.policies))]);
  return rows.flatMap(({ batch, group }) => {
    const [candidate, opponent] = batch.policies.flatMap((id) => policies.get(id) ?? []);
    const done = progress.get(batch.id);
    if (!candidate || !opponent || !done) return [];
    const { id, name, status, overlap, createdAt } = batch;
    const { tasks, rankings, labelers, openPlaces, projectedEnd } = done;
    return [
      {
        batchId: id,
        name,
        status,
        overlap,
        group,
        candidate,
        opponent,
        createdAt,
        progress: { tasks, rankings, labelers, openPlaces, projectedEnd },
      },
    ];
  });
}

export async function readComparedPolicies(
  db: Db,
  ids: readonly string[],
): Promise<Map<string, ComparedPolicy>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .select()
    .from(checkpoints)
    .where(inArray(checkpoints.id, [...ids]));
  return new Map(
    rows.map(({ id, name, stage, deletedAt }) => [id, { id, name, stage, isDeleted: deletedAt !== null }]),
  );
}
