/** @file What was worked, per labeler and ISO week (UTC), for payment: set-aside and returned work was worked too. */
import { sql } from "drizzle-orm";
import { rankings } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { pairsOf } from "../batches/counted-rankings";

type Row = {
  week: string;
  labeler: string;
  name: string | null;
  active_ms: number;
  tasks: number;
  comparisons: number;
};

/** Lines in RFC 4180: week, pseudonym, name, active hours, tasks finished (skips apart), comparisons. */
export async function paymentCsv(db: Db): Promise<string> {
  const { rows } = await db.execute<Row>(sql`
    with pairs as (
      select ranking_id, comparisons from ${pairsOf(sql`${rankings.kind} = 'labeler' and ${rankings.labelerId} is not null`)} p
    ), work as (
      select r.labeler_id, r.created_at, r.active_ms, case when r.version = 1 then 1 else 0 end as tasks,
        case when r.is_current then coalesce(pairs.comparisons, 0) else 0 end as comparisons
      from rankings r left join pairs on pairs.ranking_id = r.id where r.kind = 'labeler' and r.labeler_id is not null
      union all
      select labeler_id, created_at, active_ms, case when version = 1 then 1 else 0 end, 0
      from demonstrations where labeler_id is not null
      union all
      select labeler_id, created_at, active_ms, 0, 0 from task_skips
    )
    select to_char(work.created_at at time zone 'UTC', 'IYYY-"W"IW') as week, l.pseudonym as labeler, u.name,
      sum(work.active_ms)::float8 as active_ms, sum(work.tasks)::int as tasks, sum(work.comparisons)::int as comparisons
    from work join labelers l on l.user_id = work.labeler_id join users u on u.id = work.labeler_id
    group by 1, 2, 3 order by 1, 2`);
  const lines = rows.map(({ week, labeler, name, active_ms, tasks, comparisons }) =>
    [week, labeler, toField(name ?? ""), (active_ms / 3_600_000).toFixed(4), tasks, comparisons].join(","),
  );
  return ["week,labeler,name,activeHours,tasks,comparisons", ...lines].map((line) => `${line}\r\n`).join("");
}

/** A name that a spreadsheet would run as a formula is kept from it by an apostrophe. */
function toField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
