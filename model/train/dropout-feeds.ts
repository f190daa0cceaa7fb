/** @file The random tables of dropout for one batch, by the names of the graph's inputs (docs/formats.md, stream 3). */
import type { ModelConfig } from "../checkpoint/model-config";
import { dropoutSites } from "../nn/dropout";
import { randomStreams } from "../random/permutation";
import { philox } from "../random/philox";
import type { BatchShape } from "./token-batch";

/** Of the run, the step and the batch within the step: a resumed run drops what the uninterrupted one would have. */
export type DropoutPlace = { seed: number; step: number; batch: number };

/** @returns int32 tables (sites, B * T) and (sites, hidden), numbers in [0, 2^31) */
export function dropoutFeeds(
  config: ModelConfig,
  { rows, length }: Pick<BatchShape, "rows" | "length">,
  { seed, step, batch }: DropoutPlace,
): Record<"dropoutRows" | "dropoutColumns", Int32Array> {
  const sites = dropoutSites(config);
  const table = (sample: number, size: number) => {
    const numbers = new Int32Array(size);
    for (let block = 0; block * 4 < size; block++) {
      for (const [i, word] of philox(seed, [randomStreams.dropout, step, sample, block]).entries()) {
        if (block * 4 + i < size) numbers[block * 4 + i] = word >>> 1;
      }
    }
    return numbers;
  };
  return {
    dropoutRows: table(2 * batch, sites * rows * length),
    dropoutColumns: table(2 * batch + 1, sites * config.hiddenSize),
  };
}
