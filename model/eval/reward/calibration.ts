/**
 * @file Whether a margin means what it says: where the reward model gives its favourite of a pair the probability
 * sigmoid(|margin|), people should agree that often.
 */
import { creditOf, type ScoredPair } from "./scored-prompt";

export type CalibrationBin = {
  /** Of the predicted probability, in [0.5, 1]. */
  from: number;
  to: number;
  pairs: number;
  /** Mean predicted probability of the bin; null where it is empty. */
  predicted: number | null;
  /** Share of its pairs in which people chose the model's favourite. */
  observed: number | null;
};

export type Calibration = {
  bins: CalibrationBin[];
  /** Expected calibration error: sum of |observed - predicted| over the bins, weighted by pairs (Naeini et al. 2015). */
  error: number | null;
  /** Mean of -log sigmoid(margin): the loss of the pairs, each counting the same. */
  loss: number | null;
};

const binCount = 10;

export function calibrationOf(pairs: readonly ScoredPair[]): Calibration {
  const sums = Array.from({ length: binCount }, () => ({ pairs: 0, predicted: 0, observed: 0 }));
  let loss = 0;
  for (const { margin } of pairs) {
    const probability = sigmoid(Math.abs(margin));
    const bin = sums[Math.min(binCount - 1, Math.floor((probability - 0.5) * 2 * binCount))];
    if (!bin) continue;
    bin.pairs += 1;
    bin.predicted += probability;
    bin.observed += creditOf(margin);
    loss += softplus(-margin);
  }
  const bins = sums.map((sum, place) => ({
    from: 0.5 + place / (2 * binCount),
    to: 0.5 + (place + 1) / (2 * binCount),
    pairs: sum.pairs,
    predicted: sum.pairs === 0 ? null : sum.predicted / sum.pairs,
    observed: sum.pairs === 0 ? null : sum.observed / sum.pairs,
  }));
  if (pairs.length === 0) return { bins, error: null, loss: null };
  const gaps = sums.reduce((sum, { predicted, observed }) => sum + Math.abs(observed - predicted), 0);
  return { bins, error: gaps / pairs.length, loss: loss / pairs.length };
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** log(1 + e^x) = -log sigmoid(-x), without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
