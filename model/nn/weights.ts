/** @file Through what a model reads its weights: one definition of an architecture serves every form they may have. */
import type { Graph, Value } from "@/model/graph/graph";

/** A named affine map. Its weight is `<name>.weight` (out, in), or (in, out) where `isInOut`; its bias `<name>.bias`. */
export type LinearLayer = {
  name: string;
  inSize: number;
  outSize: number;
  hasBias: boolean;
  /** GPT-2's Conv1D stores its weights the other way round. */
  isInOut?: boolean;
};

/** A named table of vectors: `<name>.weight` (rows, width). */
export type Table = { name: string; rows: number; width: number };

/**
 * Training gives weights as graph inputs; serving gives them as initializers, quantised or not, with an adapter's
 * low-rank products beside them.
 */
export interface ModelWeights {
  /** y = x Wᵀ + b for each layer; layers given together read the same x and may be computed as one. (…, in) -> (…, out) */
  linear(g: Graph, x: Value, layers: readonly LinearLayer[]): Value[];
  /** x tableᵀ: the output head that shares the embedding. (…, width) -> (…, rows) */
  tiedHead(g: Graph, x: Value, table: Table): Value;
  /** ids int64 (…) -> (…, width) */
  embed(g: Graph, ids: Value, table: Table): Value;
  /** A norm's scale or bias, by its full name. (size) */
  vector(g: Graph, name: string, size: number): Value;
  /** A constant of the architecture (rotary tables), stored once. */
  constant(g: Graph, name: string, shape: readonly number[], data: () => Float32Array): Value;
}

/** One layer alone. */
export function linear(g: Graph, weights: ModelWeights, x: Value, layer: LinearLayer): Value {
  const [y] = weights.linear(g, x, [layer]);
  if (y === undefined) throw new Error(`${layer.name}: linear returned nothing`);
  return y;
}
