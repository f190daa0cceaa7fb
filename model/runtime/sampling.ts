/**
 * @file From one row of logits to one token: penalty, temperature, top-k, top-p, min-p (in that order, as transformers'
 * logits processors do), then one draw from what is left. Knows nothing of models, caches or text.
 */
import { uniform } from "../random/philox";
import { expDown } from "./exp-down";
import type { Sampling } from "./types";

/** Which of Philox's streams token draws come from; docs/formats.md lists the others. */
export const samplingStream = 0;

export type SampledToken = {
  tokenId: number;
  /** Of the model's own distribution: no penalty, no temperature, nothing truncated. */
  logprob: number;
  top: { tokenId: number; logprob: number }[];
};

export type TokenDraw = {
  /** (V) raw logits; left as they are. */
  logits: Float32Array;
  sampling: Pick<Sampling, "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty">;
  /** Tokens the repetition penalty applies to: prompt and response so far. */
  seenTokens: Iterable<number>;
  /** Uniform in [0, 1); see `drawFor`. */
  draw: number;
  /** How many of the most likely tokens to report. */
  topLogprobs: number;
};

/** The model's own distribution, nothing cut off and nothing penalised. */
export const untruncated = {
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  stop: [],
} satisfies Partial<Sampling>;

/** Which of a run's many texts one is, where they share the run's seed. */
export type DrawPlace = { step: number; sample: number };

/** The draw for one response token. It depends on seed, place and position only, so other requests never change a text. */
export function drawFor(
  seed: number,
  position: number,
  { step, sample }: DrawPlace = { step: 0, sample: 0 },
): number {
  return uniform(seed, [samplingStream, step, sample, position]);
}

/** Makes a sampling function over V tokens that reuses its scratch memory from call to call. */
export function createSampler(vocabularySize: number): (draw: TokenDraw) => SampledToken {
  const scratch = new Float32Array(vocabularySize);
  return ({ logits, sampling, seenTokens, draw, topLogprobs }) => {
    const normaliser = logSumExp(logits);
    scratch.set(logits);
    penalise(scratch, seenTokens, sampling.repetitionPenalty);
    const tokenId = choose(scratch, sampling, draw);
    return {
      tokenId,
      logprob: (logits[tokenId] as number) - normaliser,
      top: mostLikely(logits, topLogprobs).map((id) => ({
        tokenId: id,
        logprob: (logits[id] as number) - normaliser,
      })),
    };
  };
}

function choose(logits: Float32Array, sampling: TokenDraw["sampling"], draw: number): number {
  if (sampling.temperature === 0) return argMax(logits);
  const inverse = 1 / sampling.temperature;
  if (inverse !== 1) for (let id = 0; id < logits.length; id++) logits[id] = (logits[id] as number) * inverse;
  return sampling.topK > 0 || sampling.topP < 1
    ? drawFromSorted(logits, sampling, draw)
    : drawFromAll(logits, sampling.minP, draw);
}

/** CTRL's penalty (Keskar et al. 2019, arXiv 1909.05858): positive logits are divided, negative ones multiplied. */
function penalise(logits: Float32Array, seenTokens: Iterable<number>, penalty: number): void {
  if (penalty === 1) return;
  for (const id of new Set(seenTokens)) {
    const logit = logits[id] as number;
    logits[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

/** Inverse of the cumulative distribution, in order of token id. */
function drawFromAll(logits: Float32Array, minP: number, draw: number): number {
  const best = maxOf(logits);
  const least = minP > 0 ? best + Math.log(minP) : Number.NEGATIVE_INFINITY;
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit >= least) total += expDown(best - logit);
  }
  let left = draw * total;
  let last = -1;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit < least) continue;
    const weight = expDown(best - logit);
    if (weight === 0) continue;
    left -= weight;
    last = id;
    if (left < 0) break;
  }
  return last;
}

/** Inverse of the cumulative distribution of what top-k, top-p and min-p leave, most likely token first. */
function drawFromSorted(
  logits: Float32Array,
  { topK, topP, minP }: TokenDraw["sampling"],
  draw: number,
): number {
  const best = maxOf(logits);
  const weightOf = (id: number) => Math.exp((logits[id] as number) - best);
  let ids: number[];
  if (topK > 0) {
    ids = deepEnough(logits, best, (found) => found.length >= topK).slice(0, topK);
    ids = leadingMass(ids, weightOf, topP * sum(ids, weightOf));
  } else {
    const goal = topP * Math.exp(logSumExp(logits) - best);
    ids = leadingMass(
      deepEnough(logits, best, (found) => sum(found, weightOf) >= goal),
      weightOf,
      goal,
    );
  }
  if (minP > 0) ids = ids.filter((id) => weightOf(id) >= minP);
  let left = draw * sum(ids, weightOf);
  for (const id of ids) {
    left -= weightOf(id);
    if (left < 0) return id;
  }
  return ids.at(-1) as number;
}

/**
 * The most likely tokens, sorted; at least as many as `isEnough` asks for, or all. Sorting the whole vocabulary takes
 * longer than a step of the model, so the cut is lowered until enough are above it.
 */
function deepEnough(logits: Float32Array, best: number, isEnough: (ids: number[]) => boolean): number[] {
  for (let depth = 4; ; depth *= 1.5) {
    const isLast = depth > 256;
    const least = isLast ? -Number.MAX_VALUE : best - depth; // impossible tokens (-inf) never
    const ids: number[] = [];
    for (let id = 0; id < logits.length; id++) if ((logits[id] as number) >= least) ids.push(id);
    // Equal logits keep the order of their ids, so that a draw means the same token everywhere.
    if (isLast || isEnough(ids))
      return ids.sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  }
}

/** The shortest beginning of sorted `ids` that holds the mass, the token that reaches it included. */
function leadingMass(ids: number[], weightOf: (id: number) => number, goal: number): number[] {
  let mass = 0;
  const end = ids.findIndex((id) => {
    mass += weightOf(id);
    return mass >= goal;
  });
  return end < 0 ? ids : ids.slice(0, end + 1);
}

/** The `count` most likely tokens, most likely first; equal ones in order of id. */
function mostLikely(logits: Float32Array, count: number): number[] {
  const ids: number[] = [];
  if (count <= 0) return ids;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (ids.length === count && logit <= (logits[ids.at(-1) as number] as number)) continue;
    let at = ids.length;
    while (at > 0 && (logits[ids[at - 1] as number] as number) < logit) at--;
    ids.splice(at, 0, id);
    if (ids.length > count) ids.pop();
  }
  return ids;
}

/** Reads each value once; `argMax` reads two. */
function maxOf(values: Float32Array): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < values.length; id++) {
    const value = values[id] as number;
    if (value > best) best = value;
  }
  return best;
}

function argMax(values: Float32Array): number {
  let best = 0;
  for (let id = 1; id < values.length; id++) if ((values[id] as number) > (values[best] as number)) best = id;
  return best;
}

/** log Σ exp, with the maximum taken out first. */
export function logSumExp(values: Float32Array): number {
  const best = maxOf(values);
  let total = 0;
  for (let id = 0; id < values.length; id++) total += expDown(best - (values[id] as number));
  return best + Math.log(total);
}

function sum(ids: readonly number[], weightOf: (id: number) => number): number {
  let total = 0;
  for (const id of ids) total += weightOf(id);
  return total;
}
