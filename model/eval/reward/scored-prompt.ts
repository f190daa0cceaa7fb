/**
 * @file Prompts whose responses a reward model has scored and people have ranked, and the pairs they make: what every
 * figure about a reward model is counted from.
 */
import type { PromptTurn } from "../../data/rankings/ranked-prompt";
import { createRanking, pairsOf } from "../ranking";
import { marginDeviation } from "./member-spread";

export type ScoredResponse = {
  /** Among the prompt's responses as its data has them: some may not be scored. */
  place: number;
  text: string;
  /** What the reward model gave it, finite. */
  score: number;
  /** Of an ensemble, by member; null where the model has one head. */
  memberScores: readonly number[] | null;
  tokens: number;
  /** Which model or checkpoint wrote it; null where nobody knows. */
  model: string | null;
};

/** `training`: its work trains reward models; `heldOut`: it only judges; null: unknown, as for most imports. */
export type LabelerGroup = "training" | "heldOut" | null;

export type ScoredRanking = {
  /** (K) beside the responses: 1 is best, equal ranks are a tie, null was not ranked. */
  ranks: readonly (number | null)[];
  /** A pseudonym; null where nobody is named. */
  labeler: string | null;
  group: LabelerGroup;
};

/** Where a prompt was read: by this its texts are found again, and go with the row where the row is erased. */
export type RowPlace = { file: string; line: number };

export type ScoredPrompt = {
  id: string;
  /** Whose words it holds. */
  owner: string | null;
  /** Where prompts like it come from: "chat", "koala", … */
  source: string | null;
  prompt: readonly PromptTurn[];
  responses: readonly ScoredResponse[];
  rankings: readonly ScoredRanking[];
  place: RowPlace | null;
};

/** One labeler's untied pair with what the reward model says about it. */
export type ScoredPair = {
  /** Place of its prompt: what intervals resample. */
  prompt: number;
  labeler: string | null;
  group: LabelerGroup;
  source: string | null;
  /** Responses in the ranking it comes from. */
  ranked: number;
  /** Difference of dense ranks, at least 1. */
  rankGap: number;
  /** Places among the prompt's responses. */
  chosen: number;
  rejected: number;
  /** Score of the chosen one minus score of the rejected one. */
  margin: number;
  /** The same of their lengths in tokens. */
  tokenMargin: number;
  /** Of the margin over the members of an ensemble; null where the model has one head. */
  deviation: number | null;
};

/** Untied pairs of every ranking; ties are counted and say nothing here. */
export function scoredPairs(prompts: readonly ScoredPrompt[]): { pairs: ScoredPair[]; ties: number } {
  const pairs: ScoredPair[] = [];
  let ties = 0;
  for (const [prompt, { responses, rankings, source }] of prompts.entries()) {
    const ids = responses.map((_, place) => String(place));
    for (const { ranks, labeler, group } of rankings) {
      const ranking = createRanking(ids, ranks);
      const { comparisons, ties: tied } = pairsOf(ranking);
      ties += tied.length;
      for (const { chosen, rejected, rankGap } of comparisons) {
        const [better, worse] = [responses[Number(chosen)], responses[Number(rejected)]];
        if (!better || !worse) continue;
        pairs.push({
          prompt,
          labeler,
          group,
          source,
          ranked: ranking.size,
          rankGap,
          chosen: Number(chosen),
          rejected: Number(rejected),
          margin: better.score - worse.score,
          tokenMargin: better.tokens - worse.tokens,
          deviation:
            better.memberScores && worse.memberScores
              ? marginDeviation(better.memberScores, worse.memberScores)
              : null,
        });
      }
    }
  }
  return { pairs, ties };
}

/** 1 where the model puts the chosen one first, 0 where the other, a half where it sees no difference. */
export function creditOf(margin: number): number {
  return margin > 0 ? 1 : margin < 0 ? 0 : 0.5;
}
