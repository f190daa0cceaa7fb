/** @file How far the order of the scores is the order of a whole ranking: Kendall's tau-b, averaged over rankings. */
import type { BootstrapOptions, Interval } from "../bootstrap";
import { kendallTauB } from "../kendall-tau";
import { createRanking } from "../ranking";
import { meanOfUnits } from "./accuracy";
import type { ScoredPrompt } from "./scored-prompt";

export type RankCorrelation = {
  /** Mean over the rankings where it is defined; null where none is. */
  tauB: number | null;
  /** Resamples prompts. */
  interval: Interval | null;
  rankings: number;
};

export function rankCorrelation(
  prompts: readonly ScoredPrompt[],
  options: BootstrapOptions,
): RankCorrelation {
  const units = prompts.map(({ responses, rankings }) => {
    const ids = responses.map((_, place) => String(place));
    const byScore = createRanking(
      ids,
      responses.map(({ score }) => -score),
    );
    const taus = rankings.flatMap(({ ranks }) => kendallTauB(createRanking(ids, ranks), byScore) ?? []);
    return { sum: taus.reduce((sum, tau) => sum + tau, 0), count: taus.length };
  });
  const defined = units.filter(({ count }) => count > 0);
  const { mean, interval } = meanOfUnits(defined, options);
  return { tauB: mean, interval, rankings: defined.reduce((sum, { count }) => sum + count, 0) };
}
