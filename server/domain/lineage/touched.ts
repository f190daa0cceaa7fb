/** @file Which policies that people meet, or may meet, learned from data that was erased or withdrawn since. */
import { and, countDistinct, eq, inArray, isNull, ne, sql } from "drizzle-orm";
import {
  channels,
  checkpoints,
  datasetRows,
  prompts,
  rankings,
  rankingTasks,
  snapshotRankings,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { listCheckpointsBehind, listDatasetsOf } from "../learned-from";
import { isConsentedPrompt } from "../prompts/usable-prompts";

export type TouchedPolicy = {
  checkpoint: { id: string; name: string };
  /** Channels that point to it. */
  channels: string[];
  /** Rows of its data that are erased. */
  erased: number;
  /** Rankings it learned from whose prompt may not be used any more: consent was withdrawn, or the conversation deleted. */
  withdrawn: number;
};

/** Of what channels point to, and of a candidate; those that nothing was taken back from are left out. */
export async function readTouched(db: Db, candidateId: string | null): Promise<TouchedPolicy[]> {
  const pointers = await db.select().from(channels);
  const ids = [...new Set([...pointers.map(({ checkpointId }) => checkpointId), candidateId ?? []].flat())];
  if (ids.length === 0) return [];
  const rows = await db
    .select({ id: checkpoints.id, name: checkpoints.name })
    .from(checkpoints)
    .where(inArray(checkpoints.id, ids));
  const touched: TouchedPolicy[] = [];
  for (const checkpoint of rows) {
    const counts = await countTaken(db, checkpoint.id);
    if (counts.erased + counts.withdrawn === 0) continue;
    const own = pointers.filter(({ checkpointId }) => checkpointId === checkpoint.id);
    touched.push({ checkpoint, channels: own.map(({ name }) => name), ...counts });
  }
  return touched;
}

async function countTaken(
  db: Db,
  checkpointId: string,
): Promise<Pick<TouchedPolicy, "erased" | "withdrawn">> {
  const datasetIds = await listDatasetsOf(db, await listCheckpointsBehind(db, checkpointId));
  if (datasetIds.length === 0) return { erased: 0, withdrawn: 0 };
  const erased = await db.$count(
    datasetRows,
    and(inArray(datasetRows.datasetId, datasetIds), isNull(datasetRows.content)),
  );
  const [withdrawn] = await db
    .select({ n: countDistinct(rankings.id) })
    .from(snapshotRankings)
    .innerJoin(rankings, eq(rankings.id, snapshotRankings.rankingId))
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        inArray(snapshotRankings.datasetId, datasetIds),
        // Erased ones are rows that are counted already.
        ne(prompts.status, "erased"),
        sql`not ${isConsentedPrompt}`,
      ),
    );
  return { erased, withdrawn: withdrawn?.n ?? 0 };
}
