/** @file Where a reward model's score head starts from: solved on the states as they are, before the first step. */
import type { RankedExample } from "../data/ranked-examples";
import { normalTensor } from "../random/normal";
import { type HeadExamples, type SolvedHead, solveHead } from "./solve-head";

export type InitialHeadInput = {
  seed: number;
  hiddenSize: number;
  /** Heads to start; the draws of each are the examples' own. */
  members: number;
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
 * (members, hidden), normal with std 1 / sqrt(hidden + 1), as in arXiv 1909.08593. An epoch is hardly enough to turn it the right
 * way, and what the adapter learns meanwhile serves a wrong head.
 */
export function randomHead({
  seed,
  hiddenSize,
  members,
}: Pick<InitialHeadInput, "seed" | "hiddenSize" | "members">): Float32Array {
  const heads = new Float32Array(members * hiddenSize);
  for (let member = 0; member < members; member++) {
    const head = normalTensor(seed, headTensor + member, hiddenSize, 1 / Math.sqrt(hiddenSize + 1));
    heads.set(head, member * hiddenSize);
  }
  return heads;
}

/** The states of each example's responses, and where its pairs stand among them: by one pass forward over all. */
export async function readStates({
  hiddenSize: width,
  training,
  hiddenStates,
  onProgress,
}: Omit<InitialHeadInput, "seed" | "members" | "signal">): Promise<HeadExamples> {
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
  return { states, width, prompts };
}

/**
 * The best head on the states of the training prompts; see `solveHead`. Of an ensemble each member's is the best on its own
 * draw of the prompts, with the penalty that is best for all of them.
 * @param examples of `training`, as `readStates` gives them
 * @returns `heads` (members, hidden)
 */
export function solvedHead(
  examples: HeadExamples,
  { seed, members, training, signal }: Pick<InitialHeadInput, "seed" | "members" | "training" | "signal">,
): SolvedHead & { heads: Float32Array } {
  const { width, prompts } = examples;
  const solved = solveHead(examples, { seed, signal });
  if (members === 1) return { ...solved, heads: solved.head };
  const heads = new Float32Array(members * width);
  for (let member = 0; member < members; member++) {
    const drawn = prompts.map((prompt, at) => drawPairs(prompt, training[at]?.draws?.[member] ?? 1));
    const { head } = solveHead(
      { ...examples, prompts: drawn },
      { seed, strengths: [solved.strength], signal },
    );
    heads.set(head, member * width);
  }
  return { ...solved, heads };
}

type Prompt = HeadExamples["prompts"][number];

/** A prompt drawn twice counts twice; one that was not drawn is not there. */
function drawPairs(prompt: Prompt, times: number): Prompt {
  if (times === 0) return { ...prompt, pairs: [] };
  return { ...prompt, pairs: prompt.pairs.map((pair) => ({ ...pair, weight: pair.weight * times })) };
}
