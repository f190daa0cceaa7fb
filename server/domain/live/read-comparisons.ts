/** @file Live comparisons as an admin sees them: what was compared, how often, how many people said something. */
import { desc, eq, sql } from "drizzle-orm";
import { draftPairs, liveComparisons, users } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { type ComparedPolicy, readComparedPolicies } from "../evaluation/list-evaluations";

export type LiveComparison = {
  id: string;
  candidate: ComparedPolicy;
  opponent: ComparedPolicy;
  share: number;
  perDay: number;
  spacing: number;
  reason: string;
  startedAt: Date;
  startedBy: string;
  /** Null: it runs. */
  ended: { at: Date; reason: string } | null;
  /** Questions with two drafts; those of them that somebody chose between, and that were passed over. */
  asked: number;
  chosen: number;
  passedOver: number;
};

const listed = 50;

/** The one that runs, then newest first. */
export async function readComparisons(db: Db): Promise<LiveComparison[]> {
  const countOf = (fits: ReturnType<typeof sql>) => sql<number>`(count(*) filter (where ${fits}))::int`;
  const rows = await db
    .select({
      comparison: liveComparisons,
      startedBy: users.name,
      asked: countOf(sql`${draftPairs.id} is not null`),
      chosen: countOf(sql`${draftPairs.verdict} is not null`),
      passedOver: countOf(sql`${draftPairs.decidedAt} is not null and ${draftPairs.verdict} is null`),
    })
    .from(liveComparisons)
    .leftJoin(users, eq(users.id, liveComparisons.startedBy))
    .leftJoin(draftPairs, eq(draftPairs.comparisonId, liveComparisons.id))
    .groupBy(liveComparisons.id, users.name)
    .orderBy(sql`${liveComparisons.endedAt} is not null`, desc(liveComparisons.createdAt))
    .limit(listed);
  const ids = rows.flatMap(({ comparison: { candidateId, opponentId } }) => [candidateId, opponentId]);
  const policies = await readComparedPolicies(db, [...new Set(ids)]);
  return rows.flatMap(({ comparison, startedBy, ...counts }) => {
    const [candidate, opponent] = [policies.get(comparison.candidateId), policies.get(comparison.opponentId)];
    if (!candidate || !opponent) return [];
    const { id, share, perDay, spacing, reason, createdAt, endedAt, endReason } = comparison;
    return [
      {
        id,
        candidate,
        opponent,
        share,
        perDay,
        spacing,
        reason,
        startedAt: createdAt,
        startedBy: startedBy ?? "",
        ended: endedAt && { at: endedAt, reason: endReason ?? "" },
        ...counts,
      },
    ];
  });
}
