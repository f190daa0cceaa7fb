/**
 * @file How accuracy grows with the prompts: heads solved on the states of an eighth, a quarter, a half and all of them, each
 * judged on the same prompts held out. The states are those of the model as it starts, so a point costs seconds, not an epoch.
 */
import { accuracyOf, longerWinsOf } from "../eval/reward/accuracy";
import { type ScoredPrompt, scoredPairs } from "../eval/reward/scored-prompt";
import type { LearningCurve } from "../eval/reward/trials";
import { permutation } from "../random/permutation";
import { type HeadExamples, type SolvedHead, solveHead } from "./solve-head";

const shares = [1 / 8, 1 / 4, 1 / 2];
/** Of one prompt there is nothing to learn from. */
const fewestPrompts = 2;

export type CurveInput = {
  /** Prompts that are trained on. */
  training: HeadExamples;
  /** The head solved on all of them. */
  solved: SolvedHead;
  /** The prompts held out, scored by a head (hidden) on their states. */
  scoreHeldOut: (head: Float32Array) => readonly ScoredPrompt[];
  /** Of the order, of the folds that penalties are tried on, and of the intervals. */
  seed: number;
  signal?: AbortSignal | undefined;
};

/** @returns null where an eighth of the prompts are too few, or none is held out */
export function learningCurve({
  training,
  solved,
  scoreHeldOut,
  seed,
  signal,
}: CurveInput): LearningCurve | null {
  const options = { seed };
  const { length } = training.prompts;
  // In the order of the run's first epoch: data often come sorted.
  const prompts = [...permutation(seed, 0, length)].flatMap((place) => training.prompts[place] ?? []);
  const counts = shares.map((share) => Math.round(share * length));
  if ((counts[0] ?? 0) < fewestPrompts) return null;
  const pairsBy = (head: Float32Array) => scoredPairs(scoreHeldOut(head)).pairs;
  const whole = pairsBy(solved.head);
  if (whole.length === 0) return null;
  const parts = counts.map((count) => {
    const { head, strength } = solveHead({ ...training, prompts: prompts.slice(0, count) }, { seed, signal });
    return { prompts: count, strength, accuracy: accuracyOf(pairsBy(head), options) };
  });
  return {
    longerWins: longerWinsOf(whole, options),
    points: [...parts, { prompts: length, strength: solved.strength, accuracy: accuracyOf(whole, options) }],
  };
}

/** states (responses, hidden) of a prompt and a head (hidden) -> (responses) */
export function scoreStates(states: Float32Array, head: Float32Array): Float32Array {
  const scores = new Float32Array(states.length / head.length);
  for (const response of scores.keys())
    scores[response] = head.reduce(
      (sum, each, j) => sum + each * (states[response * head.length + j] ?? 0),
      0,
    );
  return scores;
}
