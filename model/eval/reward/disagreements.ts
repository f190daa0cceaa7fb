/** @file Where a reward model is surest of what people did not say: the pairs to read before trusting it. */
import { countPairsBetween } from "../pair-counts";
import { createRanking } from "../ranking";
import type { ScoredPair, ScoredPrompt } from "./scored-prompt";

export type Disagreement = {
  /** Places of the prompt and of its two responses. */
  prompt: number;
  chosen: number;
  rejected: number;
  /** Score of the chosen one minus score of the rejected one: negative. */
  margin: number;
  /** Rankings that put `chosen` first, `rejected` first, or tie them. */
  votes: { chosen: number; rejected: number; tied: number };
};

/** At most one pair a prompt, the widest margins first; pairs on which people are split in the model's favour are none. */
export function worstDisagreements(
  prompts: readonly ScoredPrompt[],
  pairs: readonly ScoredPair[],
  most = 20,
): Disagreement[] {
  const worst = new Map<number, Disagreement>();
  for (const { prompt, chosen, rejected, margin } of pairs) {
    const known = worst.get(prompt);
    if (margin >= 0 || (known && known.margin <= margin)) continue;
    const votes = votesOn(prompts[prompt], chosen, rejected);
    if (votes.chosen > votes.rejected) worst.set(prompt, { prompt, chosen, rejected, margin, votes });
  }
  return [...worst.values()].toSorted((a, b) => a.margin - b.margin).slice(0, most);
}

function votesOn(prompt: ScoredPrompt | undefined, chosen: number, rejected: number): Disagreement["votes"] {
  const ids = ["chosen", "rejected"];
  const wanted = createRanking(ids, [1, 2]);
  const votes = { chosen: 0, rejected: 0, tied: 0 };
  for (const { ranks } of prompt?.rankings ?? []) {
    const own = createRanking(ids, [ranks[chosen] ?? null, ranks[rejected] ?? null]);
    const { concordant, discordant, tiedInSecond } = countPairsBetween(wanted, own);
    votes.chosen += concordant;
    votes.rejected += discordant;
    votes.tied += tiedInSecond;
  }
  return votes;
}
