/** @file A packed batch as a graph takes it: which rows of hidden states are read, what they should predict, what each counts. */
import type { PackedBatch } from "../data/packing";
import type { TensorData } from "../runtime/graph-session";

export type BatchShape = {
  /** Rows of tokens. */
  rows: number;
  /** Tokens in a row. */
  length: number;
  /** Places whose next token is predicted; fewer than B * T when only responses count. */
  targets: number;
};

/** The arrays of a step, by the names of the graph's inputs. */
export type TokenFeeds = Readonly<
  Record<"ids" | "positions" | "segments" | "places" | "labels" | "weights", TensorData>
>;

/**
 * @param tokensPerStep counted tokens of the whole step, which may be several batches: the loss is the mean over them
 */
export function toFeeds(batch: PackedBatch, { targets }: BatchShape, tokensPerStep: number): TokenFeeds {
  const places = new BigInt64Array(targets);
  const labels = new BigInt64Array(targets);
  const weights = new Float32Array(targets);
  let target = 0;
  for (const [place, label] of batch.labels.entries()) {
    if (label < 0) continue;
    places[target] = BigInt(place);
    labels[target] = BigInt(label);
    weights[target] = 1 / tokensPerStep;
    target++;
  }
  return {
    ids: BigInt64Array.from(batch.ids, BigInt),
    positions: BigInt64Array.from(batch.positions, BigInt),
    segments: BigInt64Array.from(batch.segments, BigInt),
    places,
    labels,
    weights,
  };
}
