/** @file Where a reward model's score head starts from: solved on the states as they are, before the first step. */
import type { RankedExample } from "../data/ranked-examples";
import { normalTensor } from "../random/normal";
import { type SolvedHead, solveHead } from "./solve-head";

export type InitialHeadInput = {
  seed: number;
  hiddenSize: number;
  training: readonly RankedExample[];
  /**
   * (responses, hidden) of each example: the states that the head reads, of the model as the run starts.
   * One pass forward over what is asked for.
   */
  hiddenStates(examples: readonly RankedExample[]): AsyncGenerator<Float32Array>;
  /** After each prompt of the pass. */
  onProgress?: (done: number) => void;
  signal?: AbortSignal | undefined;
};

/** Number of the tensor in the stream of initial draws: no model has so many. */
const headTensor = 2 ** 31;

/**
 * (hidden), normal with std 1 / sqrt(hidden + 1), as in arXiv 1909.08593. An epoch is hardly enough to turn it the right
 * way, and what the adapter learns meanwhile serves a wrong head.
 */
export function randomHead({
  seed,
  hiddenSize,
}: Pick<InitialHeadInput, "seed" | "hiddenSize">): Float32Array {
  return normalTensor(seed, headTensor, hiddenSize, 1 / Math.sqrt(hiddenSize + 1));
}

/** The best head on the states of the training prompts, by one pass forward over them; see `solveHead`. */
export async function solvedHead({
  seed,
  hiddenSize: width,
  training,
  hiddenStates,
  onProgress,
  signal,
}: InitialHeadInput): Promise<SolvedHead> {
  const count = training.reduce((sum, { responses }) => sum + responses.length, 0);
  const states = new Float32Array(count * width);
  let at = 0;
  let done = 0;
  for await (const ofExample of hiddenStates(training)) {
    states.set(ofExample, at);
    at += ofExample.length;
    onProgress?.(++done);
  }
  let from = 0;
  const prompts = training.map(({ responses, pairs }) => {
    const first = from;
    from += responses.length;
    const placed = pairs.map((pair) => ({
      ...pair,
      chosen: first + pair.chosen,
      rejected: first + pair.rejected,
    }));
    return { from: first, to: from, pairs: placed };
  });
  return solveHead({ states, width, prompts }, { seed, signal });
}
