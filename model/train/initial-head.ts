/** @file Where a reward model's score head starts from: the one place to solve it on hidden states before the first step. */
import type { RankedExample } from "../data/ranked-examples";
import { normalTensor } from "../random/normal";

export type InitialHeadInput = {
  seed: number;
  hiddenSize: number;
  training: readonly RankedExample[];
  /**
   * (responses, hidden) of each example: the states that the head reads, of the model as the run starts.
   * One pass forward over what is asked for.
   */
  hiddenStates(examples: readonly RankedExample[]): AsyncGenerator<Float32Array>;
  signal?: AbortSignal | undefined;
};

/** Number of the tensor in the stream of initial draws: no model has so many. */
const headTensor = 2 ** 31;

/** (hidden), normal with std 1 / sqrt(hidden + 1), as in arXiv 1909.08593. */
export async function initialHead({ seed, hiddenSize }: InitialHeadInput): Promise<Float32Array> {
  return normalTensor(seed, headTensor, hiddenSize, 1 / Math.sqrt(hiddenSize + 1));
}
