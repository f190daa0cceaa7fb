/** @file Signs that somebody's work is not honest work. Each is a reason to look, never a verdict. */

export type LabelerFigures = {
  /** Current rankings, set-aside ones included. */
  rankings: number;
  medianActiveMs: number | null;
  /** Rankings whose order is the order on the screen, first best or first worst, without a tie. */
  asPresented: number;
  /** What chance alone would give: the sum over rankings of 2 / K!. */
  asPresentedByChance: number;
  demonstratedCharacters: number;
  pastedCharacters: number;
  /** Pairs of hidden tasks with a known answer, and those put in another order; practice and tests are apart. */
  goldPairs: number;
  goldMisses: number;
};

export type Signal = { kind: "tooFast" | "constantOrder" | "pasted" | "goldFailures"; text: string };

/** Below these, chance explains anything. */
const leastRankings = 10;
const leastGoldPairs = 20;
const fastShare = 1 / 3;
const presentedShare = 0.25;
const pastedShare = 0.5;
const goldMissShare = 0.4;

/** @param othersMedianMs the median over all labelers' medians; null = nobody to compare with */
export function findSignals(figures: LabelerFigures, othersMedianMs: number | null): Signal[] {
  const signals: Signal[] = [];
  const { rankings, medianActiveMs, asPresented, asPresentedByChance } = figures;
  if (
    rankings >= leastRankings &&
    medianActiveMs !== null &&
    othersMedianMs !== null &&
    medianActiveMs < othersMedianMs * fastShare
  ) {
    signals.push({
      kind: "tooFast",
      text: `Half of the tasks took under ${seconds(medianActiveMs)} s; the median labeler needs ${seconds(othersMedianMs)} s.`,
    });
  }
  if (rankings >= leastRankings && asPresented / rankings > presentedShare + asPresentedByChance / rankings) {
    signals.push({
      kind: "constantOrder",
      text: `${asPresented} of ${rankings} rankings keep the order on the screen; chance gives ${asPresentedByChance.toFixed(1)}.`,
    });
  }
  if (figures.pastedCharacters > figures.demonstratedCharacters * pastedShare) {
    signals.push({
      kind: "pasted",
      text: `${percent(figures.pastedCharacters, figures.demonstratedCharacters)} % of the text of demonstrations was pasted.`,
    });
  }
  if (figures.goldPairs >= leastGoldPairs && figures.goldMisses / figures.goldPairs > goldMissShare) {
    signals.push({
      kind: "goldFailures",
      text: `${percent(figures.goldMisses, figures.goldPairs)} % of ${figures.goldPairs} pairs with a known order were put otherwise, ties included.`,
    });
  }
  return signals;
}

const seconds = (ms: number) => Math.round(ms / 1000);
const percent = (part: number, whole: number) => Math.min(100, Math.round((100 * part) / Math.max(whole, 1)));

export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1] ?? 0, sorted[middle] ?? 0];
  return (low + high) / 2;
}
