/**
 * @file How people rated the answers of a policy while they ranked them for training: helpful, honest, harmless (1 to 7), and how
 * often they flagged one. No win rate: each answer is rated beside others than those of the policy it is held against.
 */
import { and, asc, desc, eq, isNotNull, type SQL, sql } from "drizzle-orm";
import { batches, prompts, rankedResponses, rankings, rankingTasks, responses } from "@/drizzle/schema";
import { bootstrapInterval } from "@/model/eval/bootstrap";
import type { ChatMessage } from "@/model/runtime/types";
import type { Db } from "../../db/db";
import { isCountedRanking, isCountedTask } from "../batches/counted-rankings";
import { type ResponseFlag, responseFlagKeys, responseFlags } from "../labeling/flags";
import type { PolicyPair } from "./policy-pair";

export const ratingNames = ["helpful", "honest", "harmless"] as const;
export type RatingName = (typeof ratingNames)[number];

/** A mean of 1 to 7, or a share of 0 to 1; its interval resamples prompts. Null: too few of them. */
export type RatedFigure = {
  mean: number;
  low: number | null;
  high: number | null;
  n: number;
  prompts: number;
};

export type Rated<Name extends string> = {
  name: Name;
  candidate: RatedFigure | null;
  opponent: RatedFigure | null;
};
export type PolicyRatings = {
  ratings: Rated<RatingName>[];
  flags: (Rated<ResponseFlag> & { label: string })[];
};

export const ratedFigures = [...ratingNames, ...responseFlagKeys] as const;

/** The newest; resampling more would make the page wait. */
const mostRead = 20_000;
const options = { seed: 1, resamples: 400 };

const ratingColumns = {
  helpful: rankedResponses.helpful,
  honest: rankedResponses.honest,
  harmless: rankedResponses.harmless,
} as const;

const isOf = (checkpointId: string) =>
  and(
    eq(responses.checkpointId, checkpointId),
    eq(responses.source, "sampled"),
    eq(rankings.kind, "labeler"),
    isCountedRanking,
    isCountedTask,
  );

type RatedRow = { promptId: string; flags: string[] } & Record<RatingName, number | null>;

/** @returns figures of both policies by name; flags that nobody set on either are left out */
export async function readRatings(db: Db, { candidateId, opponentId }: PolicyPair): Promise<PolicyRatings> {
  const [own, other] = [await readRated(db, candidateId), await readRated(db, opponentId)];
  const compare = <Name extends string>(name: Name, of: (row: RatedRow) => number | null): Rated<Name> => ({
    name,
    candidate: meanOf(own, of),
    opponent: meanOf(other, of),
  });
  const set = new Set([...own, ...other].flatMap(({ flags }) => flags));
  return {
    ratings: ratingNames.map((name) => compare(name, (row) => row[name])),
    flags: responseFlags
      .filter(({ key }) => set.has(key))
      .map(({ key, label }) => ({ ...compare(key, ({ flags }) => Number(flags.includes(key))), label })),
  };
}

const readRated = (db: Db, checkpointId: string): Promise<RatedRow[]> =>
  db
    .select({ promptId: rankingTasks.promptId, flags: rankedResponses.flags, ...ratingColumns })
    .from(rankedResponses)
    .innerJoin(rankings, eq(rankings.id, rankedResponses.rankingId))
    .innerJoin(responses, eq(responses.id, rankedResponses.responseId))
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(isOf(checkpointId))
    .orderBy(desc(rankings.createdAt), asc(rankings.id))
    .limit(mostRead);

/** @param of null: not rated */
function meanOf(rows: readonly RatedRow[], of: (row: RatedRow) => number | null): RatedFigure | null {
  const byPrompt = new Map<string, { sum: number; n: number }>();
  for (const row of rows) {
    const value = of(row);
    if (value === null) continue;
    const unit = byPrompt.get(row.promptId) ?? { sum: 0, n: 0 };
    byPrompt.set(row.promptId, { sum: unit.sum + value, n: unit.n + 1 });
  }
  const units = [...byPrompt.values()];
  const mean = (weights?: ArrayLike<number>): number | null => {
    const total = units.reduce((sum, { n }, i) => sum + n * (weights?.[i] ?? 1), 0);
    return total === 0
      ? null
      : units.reduce((sum, unit, i) => sum + unit.sum * (weights?.[i] ?? 1), 0) / total;
  };
  const estimate = mean();
  if (estimate === null) return null;
  const interval = bootstrapInterval(units.length, mean, options);
  return {
    mean: estimate,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    n: units.reduce((sum, { n }) => sum + n, 0),
    prompts: units.length,
  };
}

export type RatedText = {
  key: string;
  promptId: string;
  messages: ChatMessage[];
  isSensitive: boolean;
  response: string;
  labeler: string;
  /** Of a flag: null. */
  rating: number | null;
};

const mostShown = 50;

/** What stands behind a figure: the answers rated worst first, or those with the flag, the newest first. */
export async function listRated(
  db: Db,
  { checkpointId, figure }: { checkpointId: string; figure: (typeof ratedFigures)[number] },
): Promise<RatedText[]> {
  const name = ratingNames.find((each) => each === figure);
  const column = name && ratingColumns[name];
  const which: SQL = column ? isNotNull(column) : sql`${figure} = any(${rankedResponses.flags})`;
  const rows = await db
    .select({
      rankingId: rankings.id,
      responseId: responses.id,
      promptId: prompts.id,
      messages: prompts.messages,
      isSensitive: prompts.isSensitive,
      response: responses.text,
      labeler: rankings.pseudonym,
      rating: column ?? sql<null>`null`,
    })
    .from(rankedResponses)
    .innerJoin(rankings, eq(rankings.id, rankedResponses.rankingId))
    .innerJoin(responses, eq(responses.id, rankedResponses.responseId))
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(and(isOf(checkpointId), which))
    .orderBy(...(column ? [asc(column)] : []), desc(rankings.createdAt), asc(rankings.id))
    .limit(mostShown);
  return rows.map(({ rankingId, responseId, ...row }) => ({ key: `${rankingId} ${responseId}`, ...row }));
}
