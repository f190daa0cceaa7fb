/** @file Which rows of tokens each step of a run sees: known before it starts, and the same after any interruption. */
import { countedIn, type Example, layOutBatch, type PackedBatch, packRows, tokensIn } from "../data/packing";
import { permutation } from "../random/permutation";

export type DataOrderOptions = {
  seed: number;
  epochs: number;
  /** The most tokens in a row. */
  length: number;
  rowsPerBatch: number;
  /** Batches whose gradients are added up before a step. */
  batchesPerStep: number;
  /** Further examples, of which each epoch draws so many that they are `share` of its tokens. */
  mix?: { examples: readonly Example[]; share: number } | null;
};

export type StepPlace = { epoch: number; stepOfEpoch: number };

export class DataOrder {
  readonly totalSteps: number;
  /** The most tokens any batch counts: the size of the loss's part of the graph. */
  readonly mostTargets: number;
  readonly #options: DataOrderOptions;
  readonly #steps: readonly StepPlace[];
  readonly #epochs: readonly (readonly Example[][])[];

  constructor(examples: readonly Example[], options: DataOrderOptions) {
    this.#options = options;
    const epochs = Array.from({ length: options.epochs }, (_, epoch) => epoch);
    const mixedIn = drawMix(examples, options);
    this.#epochs = epochs.map((epoch) => {
      const ofEpoch = [...examples, ...(mixedIn[epoch] ?? [])];
      return packRows(inOrder(ofEpoch, options.seed, epoch), options.length);
    });
    const rowsPerStep = options.rowsPerBatch * options.batchesPerStep;
    this.#steps = this.#epochs.flatMap((rows, epoch) =>
      Array.from({ length: Math.ceil(rows.length / rowsPerStep) }, (_, stepOfEpoch) => ({
        epoch,
        stepOfEpoch,
      })),
    );
    this.totalSteps = this.#steps.length;
    this.mostTargets = this.#epochs.reduce(
      (most, rows) => Math.max(most, mostTargetsOf(rows, options.rowsPerBatch)),
      0,
    );
  }

  /** @param step counted from 0 */
  place(step: number): StepPlace {
    const place = this.#steps[step];
    if (place === undefined) throw new RangeError(`Step ${step} is not one of the run's ${this.totalSteps}`);
    return place;
  }

  /** The batches of a step; the last step of an epoch may have fewer rows, and none without a counted token. */
  batches(step: number): PackedBatch[] {
    const { epoch, stepOfEpoch } = this.place(step);
    const { rowsPerBatch, batchesPerStep, length } = this.#options;
    const rowsPerStep = rowsPerBatch * batchesPerStep;
    const rows = this.#epochs[epoch]?.slice(stepOfEpoch * rowsPerStep, (stepOfEpoch + 1) * rowsPerStep) ?? [];
    return cutBatches(rows, length, rowsPerBatch);
  }
}

/** Epoch number of the mixed-in text's first permutation: no run has so many epochs. */
const mixEpoch = 2 ** 31;

/** For each epoch the next examples of one long order, which repeats nothing before all were seen. */
function drawMix(examples: readonly Example[], { seed, epochs, mix }: DataOrderOptions): Example[][] {
  if (!mix || mix.examples.length === 0) return [];
  const wanted = (tokensIn(examples) * mix.share) / (1 - mix.share);
  let pass = 0;
  let queue: Example[] = [];
  return Array.from({ length: epochs }, () => {
    const drawn: Example[] = [];
    for (let tokens = 0; tokens < wanted; ) {
      if (queue.length === 0) queue = inOrder(mix.examples, seed, mixEpoch + pass++).toReversed();
      const next = queue.pop();
      if (next === undefined) break;
      drawn.push(next);
      tokens += next.tokens.length;
    }
    return drawn;
  });
}

function inOrder(examples: readonly Example[], seed: number, epoch: number): Example[] {
  return [...permutation(seed, epoch, examples.length)].flatMap((at) => examples[at] ?? []);
}

/**
 * Rows in batches of one number of rows, the last filled up with padding. Each batch is as long as the smallest bucket
 * that holds its rows.
 */
export function cutBatches(
  rows: readonly (readonly Example[])[],
  length: number,
  rowsPerBatch: number,
): PackedBatch[] {
  const buckets = lengthBuckets(length);
  return groups(rows, rowsPerBatch)
    .map((group) => {
      const longest = Math.max(...group.map(tokensIn));
      return layOutBatch(group, buckets.find((bucket) => bucket >= longest) ?? length, rowsPerBatch);
    })
    .filter(({ countedTokens }) => countedTokens > 0);
}

/** Batches to evaluate on: their order is free, so rows of like length lie together and little is padding. */
export function evaluationBatches(
  examples: readonly Example[],
  length: number,
  rowsPerBatch: number,
): PackedBatch[] {
  const rows = packRows(examples, length);
  return cutBatches(
    rows.toSorted((a, b) => tokensIn(b) - tokensIn(a)),
    length,
    rowsPerBatch,
  );
}

/** Lengths a batch may have: quarters of a row, in whole sixteens. Packed rows are nearly full, so few are ever used. */
export function lengthBuckets(length: number): number[] {
  const quarter = Math.ceil(length / 64) * 16;
  return [...[1, 2, 3].map((quarters) => quarters * quarter).filter((bucket) => bucket < length), length];
}

/** The most tokens any batch of these rows counts. */
function mostTargetsOf(rows: readonly (readonly Example[])[], rowsPerBatch: number): number {
  const ofGroup = (group: readonly (readonly Example[])[]) =>
    group.reduce((sum, row) => sum + countedIn(row), 0);
  return groups(rows, rowsPerBatch).reduce((most, group) => Math.max(most, ofGroup(group)), 0);
}

function groups<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
}

/** Epoch number of the permutation that says what is held out: no run has so many epochs. */
const splitEpoch = 2 ** 32 - 1;

/** Places never trained on: the first ones of a permutation of their own, the same for the same seed. */
export function heldOutPlaces(seed: number, count: number, share: number): Set<number> {
  return new Set(permutation(seed, splitEpoch, count).subarray(0, Math.round(count * share)));
}
