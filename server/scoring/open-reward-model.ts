/** @file The model library's scorer in the shape that scoring processes answer in. */
import { Scorer } from "@/model/runtime/scorer";
import type { OpenScorer } from "./protocol";

/** @throws NotARewardModelError, and what `openCheckpoint` throws */
export const openRewardModel: OpenScorer = async (folder, options) => {
  const scorer = await Scorer.open(folder, { ...options, basePlaces: [...options.basePlaces] });
  return {
    async score({ prompt, responses, withTokens }) {
      const scores = await scorer.score(prompt, responses, { tokenValues: withTokens });
      return scores.map(({ tokenValues, tokenTexts, score, deviation, memberScores, tokens, cutTokens }) => ({
        score,
        deviation,
        memberScores,
        tokens,
        cutTokens,
        perToken: tokenTexts?.map((text, at) => ({ text, score: tokenValues?.[at] ?? Number.NaN })) ?? null,
      }));
    },
  };
};
