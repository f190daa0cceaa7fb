/** @file What a policy learned from, through every run behind it. */
import { inArray, sql } from "drizzle-orm";
import { checkpoints, runDatasets } from "@/drizzle/schema";
import type { Db } from "../db/db";

/**
 * A checkpoint and all those behind it: what it was made from, and what a run's settings name, as PPO names its reward model.
 */
export async function listCheckpointsBehind(db: Db, checkpointId: string): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    with recursive behind(id) as (
      select ${checkpointId}::text
      union
      select source.id from behind
        join checkpoints c on c.id = behind.id
        left join runs r on r.id = c.run_id
        cross join lateral (
          select c.parent_id as id
          union select r.base_checkpoint_id
          union select named #>> '{}' from jsonb_path_query(r.config, '$.**') named
            where jsonb_typeof(named) = 'string' and named #>> '{}' ~ '^[0-9a-f]{64}$'
        ) source
      where source.id is not null
    )
    select id from behind`);
  return rows.map(({ id }) => id);
}

/** The datasets of the runs that made these checkpoints. */
export async function listDatasetsOf(db: Db, checkpointIds: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectDistinct({ datasetId: runDatasets.datasetId })
    .from(runDatasets)
    .innerJoin(checkpoints, sql`${checkpoints.runId} = ${runDatasets.runId}`)
    .where(inArray(checkpoints.id, [...checkpointIds]));
  return rows.map(({ datasetId }) => datasetId);
}
