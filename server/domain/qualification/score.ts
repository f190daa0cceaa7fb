/** @file Scores a sitting by the criteria of InstructGPT (arXiv 2203.02155, appendix B.1). Pure: knows no database. */
import { countPairsBetween } from "@/model/eval/pair-counts";
import type { Ranking } from "@/model/eval/ranking";

/** Agreements out of decisions; nothing was decided where `of` is 0. */
export type Share = { agreeing: number; of: number };

/**
 * Of the pairs that the known answer puts in order, those that the ranking puts in the same order. A pair tied by the
 * ranking alone is a miss; a pair tied in the known answer is left out.
 */
export function agreeOnRanking(expected: Ranking, given: Ranking): Share {
  const { concordant, discordant, tiedInSecond } = countPairsBetween(expected, given);
  return { agreeing: concordant, of: concordant + discordant + tiedInSecond };
}

/**
 * Each flag that the known answer or the labeler set is a decision, agreed on where both did; a response that neither
 * flagged is one agreement. Counting every flag that was rightly left alone would let who flags nothing pass.
 */
export function agreeOnFlags(expected: readonly string[], given: readonly string[]): Share {
  const either = new Set([...expected, ...given]);
  if (either.size === 0) return { agreeing: 1, of: 1 };
  const both = [...either].filter((flag) => expected.includes(flag) && given.includes(flag));
  return { agreeing: both.length, of: either.size };
}

/** Every decision weighs the same, whichever task it was in. */
export function addShares(shares: readonly Share[]): Share {
  return shares.reduce((sum, { agreeing, of }) => ({ agreeing: sum.agreeing + agreeing, of: sum.of + of }), {
    agreeing: 0,
    of: 0,
  });
}

export const shareOf = ({ agreeing, of }: Share): number | null => (of === 0 ? null : agreeing / of);

/** A response with a known answer, as the sitting's ranking has it; flags null = the known answer says nothing of them. */
export type JudgedResponse = {
  id: string;
  expectedRank: number | null;
  rank: number;
  expectedFlags: readonly string[] | null;
  flags: readonly string[];
};

export type TaskShares = { rankings: Share; flags: Share };

export function scoreTask(responses: readonly JudgedResponse[]): TaskShares {
  const expected = responses.flatMap(({ id, expectedRank }) =>
    expectedRank === null ? [] : [[id, expectedRank] as const],
  );
  return {
    rankings: agreeOnRanking(new Map(expected), new Map(responses.map(({ id, rank }) => [id, rank]))),
    flags: addShares(
      responses.flatMap(({ expectedFlags, flags }) =>
        expectedFlags === null ? [] : [agreeOnFlags(expectedFlags, flags)],
      ),
    ),
  };
}

/** Shares of 1 and a mean of 1-7, each with what it is taken over; null = nothing to take it over. */
export type Figures = {
  flagAgreement: number | null;
  flagDecisions: number;
  rankingAgreement: number | null;
  rankingPairs: number;
  demonstrationRating: number | null;
  ratedDemonstrations: number;
};

/** @param ratings of the demonstrations rated so far */
export function scoreAnswers(
  tasks: readonly (readonly JudgedResponse[])[],
  ratings: readonly number[],
): Figures {
  const scored = tasks.map(scoreTask);
  const flags = addShares(scored.map((task) => task.flags));
  const rankings = addShares(scored.map((task) => task.rankings));
  return {
    flagAgreement: shareOf(flags),
    flagDecisions: flags.of,
    rankingAgreement: shareOf(rankings),
    rankingPairs: rankings.of,
    demonstrationRating: ratings.length === 0 ? null : ratings.reduce((a, b) => a + b, 0) / ratings.length,
    ratedDemonstrations: ratings.length,
  };
}

export type Cutoffs = {
  flagCutoff: number;
  rankingCutoff: number;
  ratingCutoff: number;
  /** A criterion that a test does not ask for is left out. */
  asksDemonstrations: boolean;
};

export type Verdicts = { flags: boolean; rankings: boolean; demonstrations: boolean | null };

/** Whether each figure reaches its cut-off; one that could not be taken does not. Areas have no cut-off, as in InstructGPT. */
export function judge(
  figures: Pick<Figures, "flagAgreement" | "rankingAgreement" | "demonstrationRating">,
  cutoffs: Cutoffs,
): Verdicts {
  const reaches = (value: number | null, cutoff: number) => value !== null && value >= cutoff;
  return {
    flags: reaches(figures.flagAgreement, cutoffs.flagCutoff),
    rankings: reaches(figures.rankingAgreement, cutoffs.rankingCutoff),
    demonstrations: cutoffs.asksDemonstrations
      ? reaches(figures.demonstrationRating, cutoffs.ratingCutoff)
      : null,
  };
}

export const passes = ({ flags, rankings, demonstrations }: Verdicts): boolean =>
  flags && rankings && demonstrations !== false;
