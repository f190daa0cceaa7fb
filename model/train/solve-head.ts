/**
 * @file The best linear head on states that stay as they are: pairwise logistic regression, solved, not trained.
 *
 *   min_v  sum_i w_i log(1 + exp(-(z_chosen(i) - z_rejected(i)) . v)) / sum_i w_i + strength / 2 * |v|²
 *
 * z is what a response's state differs by from the mean of its prompt's responses, each number divided by its deviation
 * over all of them and all by the root of their count: so `strength` means the same for any model. The head is v in the
 * states' own units. How strong is tried on prompts held out, since the fit of few prompts says nothing about others.
 */
import { minimise } from "../optim/minimise";
import { permutation } from "../random/permutation";

export type HeadPair = {
  /** Places among the states. */
  chosen: number;
  rejected: number;
  /** What the pair counts. */
  weight: number;
};

export type HeadExamples = {
  /** (R, width) what the head reads of each response. */
  states: Float32Array;
  width: number;
  /** By prompt: where its responses stand, [from, to), and their untied pairs. */
  prompts: readonly { from: number; to: number; pairs: readonly HeadPair[] }[];
};

export type SolveHeadOptions = {
  /** Of the split into folds by prompt. */
  seed: number;
  /** Tried on the folds, or the one to take. Default: `headStrengths`. */
  strengths?: readonly number[];
  signal?: AbortSignal | undefined;
};

export type SolvedHead = {
  /** (width) */
  head: Float32Array;
  strength: number;
  /** On prompts held out in turn, by strength; empty where one strength was given or too few prompts have pairs. */
  tried: { strength: number; loss: number; accuracy: number }[];
};

/** No prompt has two responses that differ in rank, or all states are the same. */
export class NoPairsError extends Error {
  override readonly name = "NoPairsError";
}

/** From one that leaves almost nothing to one that leaves almost everything; neighbours a factor of about 3 apart. */
export const headStrengths = [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003] as const;

/** Below, a middling one is taken untried: two prompts held out tell nothing. */
const fewestPromptsToTry = 10;
const foldCount = 4;
const untriedStrength = 0.03;

/** @throws NoPairsError, NotSettledError, and what the signal is aborted with */
export function solveHead(examples: HeadExamples, options: SolveHeadOptions): SolvedHead {
  const { strengths = headStrengths, seed, signal } = options;
  const prompts = examples.prompts.filter(({ pairs }) => pairs.length > 0);
  if (prompts.length === 0)
    throw new NoPairsError("No prompt has two responses of different rank. Rank more, or loosen the filter.");
  const { z, scales } = standardise({ ...examples, prompts });
  const solve = (places: readonly number[], strength: number, start: Float64Array) => {
    const pairs = places.flatMap((place) => prompts[place]?.pairs ?? []);
    return minimise(pairwiseObjective(z, examples.width, { pairs, strength }), start, { signal });
  };
  const zero = new Float64Array(examples.width);
  const all = prompts.map((_, place) => place);

  const sorted = strengths.toSorted((a, b) => b - a);
  const isTried = sorted.length > 1 && prompts.length >= fewestPromptsToTry;
  const tried = isTried ? tryStrengths(sorted) : [];
  const [only = untriedStrength] = sorted.length === 1 ? sorted : [];
  const strength = isTried ? bestOf(tried) : only;
  const v = solve(all, strength, zero);
  return { head: Float32Array.from(v, (each, j) => each / (scales[j] ?? 1)), strength, tried };

  /** From the strongest on, each start at the last solution: they lie near each other. */
  function tryStrengths(descending: readonly number[]) {
    const order = permutation(seed, 0, prompts.length);
    const outcomes = descending.map((strength) => ({ strength, loss: 0, correct: 0, weight: 0 }));
    for (let fold = 0; fold < foldCount; fold++) {
      const heldOut = all.filter((_, i) => i % foldCount === fold).map((i) => order[i] ?? 0);
      const kept = all.filter((_, i) => i % foldCount !== fold).map((i) => order[i] ?? 0);
      const pairs = heldOut.flatMap((place) => prompts[place]?.pairs ?? []);
      let v: Float64Array = zero;
      for (const outcome of outcomes) {
        v = solve(kept, outcome.strength, v);
        addOutcome(outcome, scoreRows(z, examples.width, v), pairs);
      }
    }
    return outcomes.map(({ strength, loss, correct, weight }) => ({
      strength,
      loss: loss / weight,
      accuracy: correct / weight,
    }));
  }
}

function bestOf(tried: SolvedHead["tried"]): number {
  return tried.reduce((best, each) => (each.loss < best.loss ? each : best)).strength;
}

function addOutcome(
  into: { loss: number; correct: number; weight: number },
  scores: Float64Array,
  pairs: readonly HeadPair[],
): void {
  for (const { chosen, rejected, weight } of pairs) {
    const margin = (scores[chosen] ?? 0) - (scores[rejected] ?? 0);
    into.loss += weight * softplus(-margin);
    into.correct += weight * (margin > 0 ? 1 : margin === 0 ? 0.5 : 0);
    into.weight += weight;
  }
}

/** @returns z (R, width), 0 for prompts left out, and what each number was divided by (width) */
function standardise({ states, width, prompts }: HeadExamples): { z: Float64Array; scales: Float64Array } {
  const z = new Float64Array(states.length);
  const squares = new Float64Array(width);
  let rows = 0;
  for (const { from, to } of prompts) {
    const sums = new Float64Array(width);
    for (let row = from; row < to; row++)
      for (let j = 0; j < width; j++) sums[j] = (sums[j] ?? 0) + (states[row * width + j] ?? 0);
    for (let row = from; row < to; row++) {
      for (let j = 0; j < width; j++) {
        const difference = (states[row * width + j] ?? 0) - (sums[j] ?? 0) / (to - from);
        z[row * width + j] = difference;
        squares[j] = (squares[j] ?? 0) + difference ** 2;
      }
    }
    rows += to - from;
  }
  const deviations = squares.map((sum) => Math.sqrt(sum / rows));
  const largest = deviations.reduce((most, each) => Math.max(most, each), 0);
  if (!(largest > 0 && Number.isFinite(largest)))
    throw new NoPairsError(
      `The states of all responses to a prompt are ${largest === 0 ? "the same" : "not finite"}.`,
    );
  // A number that hardly ever differs would be blown up to noise.
  const scales = deviations.map((each) => Math.max(each, 1e-6 * largest) * Math.sqrt(width));
  for (let at = 0; at < z.length; at++) z[at] = (z[at] ?? 0) / (scales[at % width] ?? 1);
  return { z, scales };
}

/** Of v (width). */
function pairwiseObjective(
  z: Float64Array,
  width: number,
  { pairs, strength }: { pairs: readonly HeadPair[]; strength: number },
) {
  const total = pairs.reduce((sum, { weight }) => sum + weight, 0);
  const rows = [...new Set(pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]))];
  return (v: Float64Array, gradient: Float64Array): number => {
    const scores = scoreRows(z, width, v, rows);
    const slopes = new Float64Array(scores.length);
    let loss = 0;
    for (const { chosen, rejected, weight } of pairs) {
      const margin = (scores[chosen] ?? 0) - (scores[rejected] ?? 0);
      const share = weight / total;
      loss += share * softplus(-margin);
      const slope = share / (1 + Math.exp(margin)); // -dL/d margin
      slopes[chosen] = (slopes[chosen] ?? 0) - slope;
      slopes[rejected] = (slopes[rejected] ?? 0) + slope;
    }
    for (let j = 0; j < width; j++) {
      const each = v[j] ?? 0;
      loss += (strength / 2) * each ** 2;
      gradient[j] = strength * each;
    }
    for (const row of rows) {
      const slope = slopes[row] ?? 0;
      for (let j = 0; j < width; j++) gradient[j] = (gradient[j] ?? 0) + slope * (z[row * width + j] ?? 0);
    }
    return loss;
  };
}

/** z v, of all rows or the named ones: (R) */
function scoreRows(z: Float64Array, width: number, v: Float64Array, rows?: readonly number[]): Float64Array {
  const scores = new Float64Array(z.length / width);
  const score = (row: number) => {
    let sum = 0;
    for (let j = 0; j < width; j++) sum += (z[row * width + j] ?? 0) * (v[j] ?? 0);
    scores[row] = sum;
  };
  if (rows) for (const row of rows) score(row);
  else for (let row = 0; row < scores.length; row++) score(row);
  return scores;
}

/** log(1 + exp(x)) without overflow. */
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
