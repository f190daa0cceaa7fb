/** @file What taught a policy, in numbers: the runs behind it, and the rankings, instructions and labelers behind those. */
import { and, count, countDistinct, eq, inArray, isNull, sql } from "drizzle-orm";
import {
  checkpoints,
  datasetRows,
  datasets,
  rankings,
  runDatasets,
  runs,
  snapshotRankings,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { listCheckpointsBehind } from "../learned-from";

type Stage = (typeof checkpoints.$inferSelect)["stage"];

/** Rankings as one snapshot holds them. */
export type RankingSnapshot = {
  sha256: string | null;
  rankings: number;
  labelers: number;
  /** Versions of the instructions they were made under, oldest first; imported ones may name none. */
  guidelines: number[];
};

/** A run behind a policy, by the checkpoint that came of it. */
export type TeachingStep = {
  checkpoint: { id: string; name: string; stage: Stage };
  run: number;
  snapshots: RankingSnapshot[];
  /** Of all its data: rows that were erased since, at the wish of whose they were. */
  erasedRows: number;
};

const order: Stage[] = ["ppo", "reward", "sft", "pretrain", "base"];

/** The policy's own run first, then the reward model's, then what came before. Empty for what no run of this server made. */
export async function readUpbringing(db: Db, checkpointId: string): Promise<TeachingStep[]> {
  const behind = await listCheckpointsBehind(db, checkpointId);
  const made = await db
    .select({
      id: checkpoints.id,
      name: checkpoints.name,
      stage: checkpoints.stage,
      runId: runs.id,
      number: runs.number,
    })
    .from(checkpoints)
    .innerJoin(runs, eq(runs.id, checkpoints.runId))
    .where(inArray(checkpoints.id, behind));
  const used = made.length === 0 ? [] : await readUsed(db, [...new Set(made.map(({ runId }) => runId))]);
  const snapshots = await readSnapshots(db, used);
  const erased = await countErased(db, used);
  return made
    .map(({ runId, number, ...checkpoint }) => {
      const own = used.filter((each) => each.runId === runId).map(({ datasetId }) => datasetId);
      return {
        checkpoint,
        run: number,
        snapshots: own.flatMap((id) => snapshots.get(id) ?? []),
        erasedRows: own.reduce((sum, id) => sum + (erased.get(id) ?? 0), 0),
      };
    })
    .toSorted(
      (a, b) =>
        Number(b.checkpoint.id === checkpointId) - Number(a.checkpoint.id === checkpointId) ||
        order.indexOf(a.checkpoint.stage) - order.indexOf(b.checkpoint.stage) ||
        b.run - a.run,
    );
}

type Used = { runId: string; datasetId: string };

const readUsed = (db: Db, runIds: string[]): Promise<Used[]> =>
  db
    .selectDistinct({ runId: runDatasets.runId, datasetId: runDatasets.datasetId })
    .from(runDatasets)
    .where(inArray(runDatasets.runId, runIds));

async function readSnapshots(db: Db, used: readonly Used[]): Promise<Map<string, RankingSnapshot>> {
  if (used.length === 0) return new Map();
  const rows = await db
    .select({
      datasetId: datasets.id,
      sha256: datasets.sha256,
      rankings: count(),
      labelers: countDistinct(rankings.pseudonym),
      guidelines: sql<number[]>`coalesce(
        array_agg(distinct ${rankings.guidelinesVersion}) filter (where ${rankings.guidelinesVersion} is not null), '{}'
      )`,
    })
    .from(snapshotRankings)
    .innerJoin(rankings, eq(rankings.id, snapshotRankings.rankingId))
    .innerJoin(datasets, eq(datasets.id, snapshotRankings.datasetId))
    .where(inArray(snapshotRankings.datasetId, idsOf(used)))
    .groupBy(datasets.id);
  return new Map(
    rows.map(({ datasetId, guidelines, ...row }) => [
      datasetId,
      { ...row, guidelines: guidelines.toSorted((a, b) => a - b) },
    ]),
  );
}

async function countErased(db: Db, used: readonly Used[]): Promise<Map<string, number>> {
  if (used.length === 0) return new Map();
  const rows = await db
    .select({ datasetId: datasetRows.datasetId, n: count() })
    .from(datasetRows)
    .where(and(inArray(datasetRows.datasetId, idsOf(used)), isNull(datasetRows.content)))
    .groupBy(datasetRows.datasetId);
  return new Map(rows.map(({ datasetId, n }) => [datasetId, n]));
}

const idsOf = (used: readonly Used[]) => [...new Set(used.map(({ datasetId }) => datasetId))];
