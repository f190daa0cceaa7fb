/** @file Which rankings count: one rule for progress, figures, payment, agreement, exports and snapshots. */
import { type SQL, sql } from "drizzle-orm";
import { batches, labelers, rankings, rankingTasks } from "@/drizzle/schema";
import { isUsablePrompt } from "../prompts/usable-prompts";

/** Selected from one table, Drizzle writes the columns of a fragment without their table; those of a nested one it leaves alone. */
export const nested = (inner: SQL) => sql<boolean>`${inner}`;

/**
 * True for all work of a labeler who is set aside: nobody submits while they are, and no two clocks need to agree on when.
 * Correlates with `rankings` of the query it is put into.
 */
export const isSetAside: SQL<boolean> = nested(sql`(
  exists (
    select 1 from ${labelers}
    where ${labelers.userId} = ${rankings.labelerId} and ${labelers.setAsideAt} is not null
  )
)`);

/** True for the newest version of a ranking that stands: submitted, not returned, and not set aside. */
export const isCountedRanking: SQL<boolean> = nested(sql`(
  ${rankings.isCurrent} and ${rankings.status} = 'submitted' and not ${isSetAside}
)`);

/**
 * True for a task whose counted rankings may be measured, exported and trained on: of work or an import, not a test or
 * practice, not excluded, on a prompt that may be used now. Correlates with `ranking_tasks`, `batches` and `prompts`.
 */
export const isCountedTask: SQL<boolean> = nested(sql`(
  ${batches.purpose} in ('work', 'imported') and ${rankingTasks.status} <> 'excluded' and ${isUsablePrompt}
)`);

/**
 * Pairs of each ranking that `where` lets through, as a subquery with columns `ranking_id`, `comparisons` (pairs in order) and
 * `ties`. With c responses on a rank and n in all: (n^2 - sum c^2) / 2 and (sum c^2 - n) / 2.
 */
export const pairsOf = (where: SQL): SQL => sql`(
  select ranking_id, ((sum(c) ^ 2 - sum(c ^ 2)) / 2)::int as comparisons, ((sum(c ^ 2) - sum(c)) / 2)::int as ties
  from (
    select ranked_responses.ranking_id, count(*)::float8 as c
    from ranked_responses join ${rankings} on ${rankings.id} = ranked_responses.ranking_id
    where ${where}
    group by ranked_responses.ranking_id, ranked_responses.rank
  ) ranks
  group by ranking_id
)`;
