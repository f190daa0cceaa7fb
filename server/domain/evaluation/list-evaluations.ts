/** @file All evaluations: which policies they compare, and how far the judging is. */
import { and, desc, eq, inArray, type SQL } from "drizzle-orm";
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
  return listWhere(db, undefined);
}

/** Newest first. @param which correlates with `batches` */
export async function listWhere(db: Db, which: SQL | undefined): Promise<EvaluationSummary[]> {
  return complete(db, await select(db, which).orderBy(desc(batches.createdAt)).limit(listed));
}

/** @throws {AppError} NOT_FOUND */
export async function readEvaluation(db: Db, batchId: string): Promise<EvaluationSummary> {
  const [evaluation] = await listWhere(db, eq(batches.id, batchId));
  if (!evaluation) throw new AppError("NOT_FOUND", "There is no such evaluation.");
  return evaluation;
}

function select(db: Db, which: SQL | undefined) {
  return db
    .select({
      batch: batches,
      group: { id: labelerGroups.id, name: labelerGroups.name, isHeldOut: labelerGroups.isHeldOut },
    })
    .from(batches)
    .leftJoin(labelerGroups, eq(labelerGroups.id, batches.groupId))
    .where(and(eq(batches.purpose, "evaluation"), which));
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
