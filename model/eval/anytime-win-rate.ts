/**
 * @file A win rate with an interval that may be looked at after every judgment, and that counts prompts and judges, not judgments.
 *
 * People peek: a gate that is read each time a judgment comes in must hold at all those times together. The interval is the
 * asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (arXiv 2103.06476, theorem 2.2)
 *
 *   estimate -+ sqrt(V) sqrt(2 (n rho^2 + 1) / (n rho^2) log(sqrt(n rho^2 + 1) / alpha)),  n prompts
 *
 * with V the variance of the estimate clustered by prompt and by judge (Cameron, Gelbach & Miller 2011, "Robust Inference
 * With Multiway Clustering"), since judgments of one prompt, or by one judge, are alike. Few judges tell little of how judges
 * differ: the interval widens by Student's t against the normal, at the degrees of freedom that V has (Satterthwaite).
 */
import { studentTBound } from "./student-t";

/** credit: 1 the candidate won, 0 it lost, 0.5 a tie or both bad. */
export type Judgment = { prompt: string; judge: string; credit: number };

export type AnytimeWinRate = {
  estimate: number;
  low: number;
  high: number;
  judgments: number;
  prompts: number;
  judges: number;
  /** About how many more judgments by these judges decide it, were the estimate to stay; null: decided, or more than a hundred times these. */
  needed: number | null;
};

/** The number of prompts at which the interval is narrowest for its kind; rho is set by it. */
const prime = 200;
/** Fewer say nothing that holds at all times: the interval is everything there. */
export const fewestPrompts = 20;
/**
 * Of two or three judges the spread between them is often seen as none by luck: as if some earlier ones had been found to
 * differ by this much in how often they prefer the candidate. Fades as judges become many.
 */
const judgeDeviation = 0.05;
const priorDegrees = 2;

/**
 * @param judgments in any order; a prompt may be judged by several
 * @param options.alpha what both ends together may miss, at any time at all. Default 0.05
 * @returns null where there are no judgments
 */
export function anytimeWinRate(
  judgments: readonly Judgment[],
  { alpha = 0.05 }: { alpha?: number } = {},
): AnytimeWinRate | null {
  if (judgments.length === 0) return null;
  const estimate = judgments.reduce((sum, { credit }) => sum + credit, 0) / judgments.length;
  const spread = spreadOf(judgments, estimate);
  const { prompts } = spread;
  const width = halfWidth(spread, prompts, alpha);
  return {
    estimate,
    low: Math.max(0, estimate - width),
    high: Math.min(1, estimate + width),
    judgments: judgments.length,
    prompts,
    judges: new Set(judgments.map(({ judge }) => judge)).size,
    needed: neededJudgments(spread, { estimate, judgments: judgments.length, alpha }),
  };
}

/** The estimate's variance in two parts: what further prompts shrink, and what only further judges do. */
type Spread = {
  prompts: number;
  ofPrompts: number;
  /** 0 of a single judge: the figure is about that one. */
  ofJudges: number;
  degreesOfJudges: number;
};

function spreadOf(judgments: readonly Judgment[], estimate: number): Spread {
  const n = judgments.length;
  const byPrompt = new Map<string, number>();
  const byJudge = new Map<string, number>();
  let squares = 0;
  for (const { prompt, judge, credit } of judgments) {
    const residual = credit - estimate;
    byPrompt.set(prompt, (byPrompt.get(prompt) ?? 0) + residual);
    byJudge.set(judge, (byJudge.get(judge) ?? 0) + residual);
    squares += residual ** 2;
  }
  const clustered = (sums: Map<string, number>) =>
    sums.size < 2
      ? 0
      : ((sums.size / (sums.size - 1)) * [...sums.values()].reduce((sum, each) => sum + each ** 2, 0)) /
        n ** 2;
  // All judgments agreeing is no proof that the next will: as if one more of each side had been seen.
  const floor = 0.5 / (n + 2) ** 2;
  const ofPrompts = Math.max(clustered(byPrompt), floor);
  // What judgments by one judge share beyond being judgments.
  const shared = Math.max(0, clustered(byJudge) - squares / n ** 2);
  const degreesOfJudges = byJudge.size < 2 ? 0 : byJudge.size - 1 + priorDegrees;
  const expected = (judgeDeviation ** 2 / byJudge.size) * priorDegrees;
  const ofJudges = degreesOfJudges === 0 ? 0 : ((byJudge.size - 1) * shared + expected) / degreesOfJudges;
  return { prompts: byPrompt.size, ofPrompts, ofJudges, degreesOfJudges };
}

/** Half the interval's width if the prompts were so many. */
function halfWidth(
  { prompts, ofPrompts, ofJudges, degreesOfJudges }: Spread,
  ofSoMany: number,
  alpha: number,
): number {
  if (ofSoMany < fewestPrompts) return 1;
  const fromPrompts = (ofPrompts * prompts) / ofSoMany;
  const variance = fromPrompts + ofJudges;
  const degrees =
    variance ** 2 /
    (fromPrompts ** 2 / (ofSoMany - 1) + (ofJudges === 0 ? 0 : ofJudges ** 2 / degreesOfJudges));
  const level = 1 - alpha;
  const widening =
    studentTBound(level, Math.max(1, degrees)) / studentTBound(level, Number.POSITIVE_INFINITY);
  return Math.sqrt(variance) * boundary(ofSoMany, alpha) * widening;
}

/** In standard errors: what a mean of n units stays within at all n at once. */
function boundary(n: number, alpha: number): number {
  const logs = -2 * Math.log(alpha);
  // Equation 10 of the paper's section on tuning: narrowest at n = prime.
  const rhoSquared = (logs + Math.log(logs + 1)) / prime;
  const scaled = n * rhoSquared;
  return Math.sqrt(((2 * (scaled + 1)) / scaled) * Math.log(Math.sqrt(scaled + 1) / alpha));
}

function neededJudgments(
  spread: Spread,
  { estimate, judgments, alpha }: { estimate: number; judgments: number; alpha: number },
): number | null {
  const isDecided = (prompts: number) => halfWidth(spread, prompts, alpha) < Math.abs(estimate - 0.5);
  const most = 100 * spread.prompts;
  if (isDecided(spread.prompts) || !isDecided(most)) return null;
  let [low, high] = [spread.prompts, most];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isDecided(middle)) high = middle;
    else low = middle;
  }
  return Math.ceil((judgments / spread.prompts) * (high - spread.prompts));
}
