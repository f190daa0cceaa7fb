/** @file What practice tells after a submit: the expected order and flags, where one differed, and why. */
import { and, asc, eq } from "drizzle-orm";
import { rankedResponses, rankings, rankingTasks, taskResponses } from "@/drizzle/schema";
import { pairsOf, type Ranking, tiersOf } from "@/model/eval/ranking";
import type { Db } from "../../db/db";
import { agreeOnRanking, shareOf } from "../qualification/score";
import type { Explanation } from "./task-schema";

/** Null where the task has no known answer. */
export async function explain(db: Db, rankingId: string): Promise<Explanation | null> {
  const [task] = await db
    .select({ id: rankingTasks.id, text: rankingTasks.explanation })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .where(eq(rankings.id, rankingId));
  if (!task) return null;
  const places = await db
    .select({
      id: taskResponses.responseId,
      expectedRank: taskResponses.goldRank,
      expectedFlags: taskResponses.goldFlags,
      rank: rankedResponses.rank,
      flags: rankedResponses.flags,
    })
    .from(taskResponses)
    .innerJoin(
      rankedResponses,
      and(eq(rankedResponses.rankingId, rankingId), eq(rankedResponses.responseId, taskResponses.responseId)),
    )
    .where(eq(taskResponses.taskId, task.id))
    .orderBy(asc(taskResponses.goldRank), asc(taskResponses.position));
  const expected = new Map(
    places.flatMap(({ id, expectedRank }) => (expectedRank === null ? [] : [[id, expectedRank] as const])),
  );
  if (expected.size !== places.length) return null;
  const given = new Map(places.map(({ id, rank }) => [id, rank]));
  return {
    expected: tiersOf(expected),
    agreement: shareOf(agreeOnRanking(expected, given)),
    missed: findMissed(expected, given),
    flags: places.flatMap(({ id, expectedFlags, flags }) =>
      expectedFlags === null || areSame(expectedFlags, flags)
        ? []
        : [{ id, expected: expectedFlags, given: flags }],
    ),
    text: task.text,
  };
}

function findMissed(expected: Ranking, given: Ranking): Explanation["missed"] {
  return pairsOf(expected).comparisons.flatMap(({ chosen: better, rejected: worse }) => {
    const gap = (given.get(worse) ?? 0) - (given.get(better) ?? 0);
    return gap > 0 ? [] : [{ better, worse, was: gap === 0 ? ("tied" as const) : ("turned" as const) }];
  });
}

const areSame = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((flag) => b.includes(flag));
