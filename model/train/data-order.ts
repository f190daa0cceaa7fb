/** @file Which rows of tokens each step of a run sees: known before it starts, and the same after any interruption. */
import { type Example, layOutBatch, type PackedBatch, packRows } from "../data/packing";
import { permutation } from "../random/permutation";

export type DataOrderOptions = {
  seed: number;
  epochs: number;
  /** Tokens in a row. */
  length: number;
  rowsPerBatch: number;
  /** Batches whose gradients are added up before a step. */
  batchesPerStep: number;
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
    const inOrder = (epoch: number) =>
      [...permutation(options.seed, epoch, examples.length)].flatMap((at) => examples[at] ?? []);
    this.#epochs = epochs.map((epoch) => packRows(inOrder(epoch), options.length));
    const rowsPerStep = options.rowsPerBatch * options.batchesPerStep;
    this.#steps = this.#epochs.flatMap((rows, epoch) =>
      Array.from({ length: Math.ceil(rows.length / rowsPerStep) }, (_, stepOfEpoch) => ({
        epoch,
        stepOfEpoch,
      })),
    );
    this.totalSteps = this.#steps.length;
    this.mostTargets = Math.max(
      0,
      ...this.#steps.flatMap((_, step) => this.batches(step).map((b) => b.countedTokens)),
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

/** Rows in batches of one size, the last filled up with padding. */
export function cutBatches(
  rows: readonly (readonly Example[])[],
  length: number,
  rowsPerBatch: number,
): PackedBatch[] {
  const batches = Array.from({ length: Math.ceil(rows.length / rowsPerBatch) }, (_, at) =>
    layOutBatch(rows.slice(at * rowsPerBatch, (at + 1) * rowsPerBatch), length, rowsPerBatch),
  );
  return batches.filter(({ countedTokens }) => countedTokens > 0);
}

/** Epoch number of the permutation that says what is held out: no run has so many epochs. */
const splitEpoch = 2 ** 32 - 1;

/** Places never trained on: the first ones of a permutation of their own, the same for the same seed. */
export function heldOutPlaces(seed: number, count: number, share: number): Set<number> {
  return new Set(permutation(seed, splitEpoch, count).subarray(0, Math.round(count * share)));
}
