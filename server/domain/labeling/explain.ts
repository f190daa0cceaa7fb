/** @file What practice tells after a submit: the expected order, how near one came, and why. */
import { asc, eq } from "drizzle-orm";
import { rankedResponses, rankings, rankingTasks, taskResponses } from "@/drizzle/schema";
import { countPairsBetween } from "@/model/eval/pair-counts";
import { type Ranking, tiersOf } from "@/model/eval/ranking";
import type { Db } from "../../db/db";
import type { Explanation } from "./task-schema";

/** Null where the task has no known answer. */
export async function explain(db: Db, rankingId: string): Promise<Explanation | null> {
  const [task] = await db
    .select({ id: rankingTasks.id, text: rankingTasks.explanation })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .where(eq(rankings.id, rankingId));
  if (!task) return null;
  const known = await db
    .select({ id: taskResponses.responseId, rank: taskResponses.goldRank })
    .from(taskResponses)
    .where(eq(taskResponses.taskId, task.id))
    .orderBy(asc(taskResponses.goldRank));
  const given = await db
    .select({ id: rankedResponses.responseId, rank: rankedResponses.rank })
    .from(rankedResponses)
    .where(eq(rankedResponses.rankingId, rankingId));
  const expected = new Map(known.flatMap(({ id, rank }) => (rank === null ? [] : [[id, rank] as const])));
  if (expected.size !== known.length) return null;
  return {
    expected: tiersOf(expected),
    agreement: agreeingShare(expected, new Map(given.map(({ id, rank }) => [id, rank]))),
    text: task.text,
  };
}

/** Of the pairs that the known answer puts in order, the share that the ranking puts in the same order; a tie is a miss. */
function agreeingShare(expected: Ranking, given: Ranking): number | null {
  const { concordant, discordant, tiedInSecond } = countPairsBetween(expected, given);
  const pairs = concordant + discordant + tiedInSecond;
  return pairs === 0 ? null : concordant / pairs;
}
