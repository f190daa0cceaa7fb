/** @file What was answered in one sitting: the newest version of each ranking and demonstration between its start and its end. */
import { type SQL, sql } from "drizzle-orm";
import { demonstrations, rankedResponses, rankings, rankingTasks, taskResponses } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import type { JudgedResponse } from "./score";

export type RankingAnswer = {
  taskId: string;
  rankingId: string;
  activeMs: number;
  noneAcceptable: boolean;
  /** In the order of the task itself. */
  responses: JudgedResponse[];
};

export type DemonstrationAnswer = {
  id: string;
  taskId: string;
  rating: number | null;
};

/** Compared inside the database, whose clock is finer than JavaScript's. */
const isWithin = (sittingId: string, at: SQL): SQL => sql`exists (
  select 1 from qualifications q where q.id = ${sittingId} and ${at} >= q.started_at and ${at} <= coalesce(q.ended_at, 'infinity')
)`;

type Place = Omit<RankingAnswer, "responses"> & JudgedResponse;

/** By the task's position. Tasks without a complete known order are left out: nothing to score them by. */
export async function readRankingAnswers(db: Db, sittingId: string): Promise<RankingAnswer[]> {
  const { rows } = await db.execute<Place & Record<string, unknown>>(sql`
    with answered as (
      select distinct on (r.task_id) r.id, r.task_id, r.active_ms, r.none_acceptable, t.position
      from qualifications q
        join ${rankingTasks} t on t.batch_id = q.batch_id and t.is_gold
        join ${rankings} r on r.task_id = t.id and r.labeler_id = q.labeler_id and r.kind = 'labeler'
      where q.id = ${sittingId} and ${isWithin(sittingId, sql`r.created_at`)}
      order by r.task_id, r.version desc
    )
    select a.task_id as "taskId", a.id as "rankingId", a.active_ms as "activeMs", a.none_acceptable as "noneAcceptable",
      tr.response_id as id, tr.gold_rank as "expectedRank", tr.gold_flags as "expectedFlags", rr.rank, rr.flags
    from answered a
      join ${rankedResponses} rr on rr.ranking_id = a.id
      join ${taskResponses} tr on tr.task_id = a.task_id and tr.response_id = rr.response_id
    order by a.position, a.task_id, tr.position`);
  const answers = new Map<string, RankingAnswer>();
  for (const { taskId, rankingId, activeMs, noneAcceptable, ...response } of rows) {
    const answer = answers.get(taskId) ?? { taskId, rankingId, activeMs, noneAcceptable, responses: [] };
    answer.responses.push(response);
    answers.set(taskId, answer);
  }
  return [...answers.values()];
}

export async function readDemonstrationAnswers(db: Db, sittingId: string): Promise<DemonstrationAnswer[]> {
  const { rows } = await db.execute<DemonstrationAnswer & Record<string, unknown>>(sql`
    select distinct on (t.position, d.task_id) d.id, d.task_id as "taskId", d.rating
    from qualifications q
      join qualification_tests test on test.batch_id = q.batch_id
      join ${rankingTasks} t on t.batch_id = test.demonstration_batch_id
      join ${demonstrations} d on d.task_id = t.id and d.labeler_id = q.labeler_id
    where q.id = ${sittingId} and ${isWithin(sittingId, sql`d.created_at`)}
    order by t.position, d.task_id, d.version desc`);
  return rows.map(({ id, taskId, rating }) => ({ id, taskId, rating }));
}
