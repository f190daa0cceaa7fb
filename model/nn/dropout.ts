/** @file Dropout whose mask follows from two small tables of random numbers, so that it can be made again at any time. */
import type { Graph, Value } from "@/model/graph/graph";

export type DropoutTables = {
  /** int32 (B * T, 1), in [0, 2^31) */
  rows: Value;
  /** int32 (1, hidden), in [0, 2^31) */
  columns: Value;
};

/**
 * Element (t, h) is zeroed where rows_t xor columns_h < rate 2^31, and the rest divided by 1 - rate.
 *
 * This is simple tabulation hashing (Pătraşcu and Thorup, arXiv 1011.5200): each element is uniform and any three are
 * independent, for B * T + hidden random numbers instead of B * T * hidden.
 * @param x (B, T, hidden)
 */
export function dropout(g: Graph, x: Value, rate: number, { rows, columns }: DropoutTables): Value {
  const hash = g.apply("BitwiseXor", [rows, columns], {}); // (B * T, hidden)
  const isDropped = g.apply("Less", [hash, g.scalar(Math.round(rate * 2 ** 31), "int32")], {});
  return g.where(g.reshape(isDropped, x.shape), g.scalar(0), g.scale(x, 1 / (1 - rate)));
}

/** How often `buildTransformer` applies dropout: to the embeddings and twice in each layer. */
export const dropoutSites = ({ layerCount }: { layerCount: number }): number => 1 + 2 * layerCount;
