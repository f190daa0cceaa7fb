/**
 * @file The win rate there would be if both answers were equally long, after AlpacaEval 2 (Dubois et al. 2024, arXiv
 * 2404.04475): judges like longer answers, and a policy must not win by that alone. Without the paper's term for how hard each
 * prompt is, which needs many policies.
 *
 *   P(win) = sigmoid(theta + phi tanh(d / s)),   d = candidate's length less its opponent's, s = sd of d
 *   length-controlled win rate = sigmoid(theta)
 */
import { bootstrapInterval, type Interval } from "./bootstrap";
import { sigmoid } from "./reward/calibration";

/** credit as in anytime-win-rate.ts: half wins count as half. Lengths in any one unit. */
export type MeasuredJudgment = {
  prompt: string;
  credit: number;
  candidateLength: number;
  opponentLength: number;
};

export type LengthControlled = {
  estimate: number;
  interval: Interval | null;
  /** How far a longer answer is preferred, in log-odds between much shorter and as long: phi. */
  lengthEffect: number;
  /** Share of judgments with the longer answer the candidate's. */
  longerShare: number;
};

/**
 * Added to the likelihood as -ridge / 2 (theta^2 + phi^2): without it a candidate that always wins has no finite fit. As
 * strong as a thousandth of a judgment.
 */
const ridge = 1e-3;
const tolerance = 1e-10;
const mostSteps = 100;

type Row = { x: number; y: number; weight: number };

/** Newton's method on two parameters; the likelihood is concave. @returns [theta, phi] */
export function fitLength(rows: readonly Row[]): [number, number] {
  let [theta, phi] = [0, 0];
  for (let step = 0; step < mostSteps; step++) {
    let [g0, g1, h00, h01, h11] = [-ridge * theta, -ridge * phi, ridge, 0, ridge];
    for (const { x, y, weight } of rows) {
      const p = sigmoid(theta + phi * x);
      const [error, curve] = [weight * (y - p), weight * p * (1 - p)];
      g0 += error;
      g1 += error * x;
      h00 += curve;
      h01 += curve * x;
      h11 += curve * x * x;
    }
    const determinant = h00 * h11 - h01 * h01;
    // Far out the curve is flat and a whole step would overshoot: none is longer than two units of log-odds.
    const [d0, d1] = shortened((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant);
    theta += d0;
    phi += d1;
    if (Math.max(Math.abs(d0), Math.abs(d1)) < tolerance) break;
  }
  return [theta, phi];
}

function shortened(d0: number, d1: number): [number, number] {
  const factor = Math.min(1, 2 / Math.max(Math.abs(d0), Math.abs(d1), 1e-300));
  return [d0 * factor, d1 * factor];
}

/** @returns null where there are no judgments, or all lengths differ alike: then nothing tells length from merit */
export function lengthControlledWinRate(
  judgments: readonly MeasuredJudgment[],
  options: { seed: number; level?: number; resamples?: number },
): LengthControlled | null {
  const differences = judgments.map(
    ({ candidateLength, opponentLength }) => candidateLength - opponentLength,
  );
  const deviation = deviationOf(differences);
  if (judgments.length === 0 || deviation === 0) return null;
  const rows = judgments.map(({ prompt, credit }, at) => ({
    prompt,
    x: Math.tanh((differences[at] ?? 0) / deviation),
    y: credit,
    weight: 1,
  }));
  const byPrompt = groupByPrompt(rows);
  const [theta, phi] = fitLength(rows);
  const interval = bootstrapInterval(
    byPrompt.length,
    (weights) => sigmoid(fitLength(byPrompt.flatMap((of, at) => weighted(of, weights[at] ?? 0)))[0]),
    options,
  );
  return {
    estimate: sigmoid(theta),
    interval,
    lengthEffect: phi,
    longerShare: differences.filter((each) => each > 0).length / differences.length,
  };
}

function groupByPrompt<R extends { prompt: string }>(rows: readonly R[]): R[][] {
  const groups = new Map<string, R[]>();
  for (const row of rows) {
    const group = groups.get(row.prompt);
    if (group) group.push(row);
    else groups.set(row.prompt, [row]);
  }
  return [...groups.values()];
}

const weighted = (rows: readonly Row[], weight: number): Row[] =>
  weight === 0 ? [] : rows.map(({ x, y }) => ({ x, y, weight }));

/** Of all, divided by n, as numpy's std. */
function deviationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
