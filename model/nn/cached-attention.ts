/** @file Grouped-query attention over new tokens and the cache before them: the form that is served. */
import type { Graph, Value } from "@/model/graph/graph";
import { type Dim, dimAt } from "@/model/graph/tensor-type";
import type { KeysValues } from "./attention";

/** Keys and values of one layer's cache, (B, Hkv, 1, C, D). `spans` is int64 (2): [C, T]. */
export type Past = KeysValues & { spans: Value };

/**
 * softmax(q [past, k]ᵀ / sqrt(D) + mask) [past, v]
 *
 * Cache and new tokens are multiplied one after the other, so that the cache is never copied. Query heads that share a
 * key head stay apart: for one token, the runtime's kernel for a single row reads the cache at memory speed, the one for
 * three rows packs it first (half as fast).
 * @param q (B, H, T, D) @param mask (B, 1, 1, T, C + T), the cache first @returns (B, H, T, D)
 */
export function cachedAttention(
  g: Graph,
  { q, keys, values }: { q: Value } & KeysValues,
  { mask, past }: { mask: Value; past: Past },
): Value {
  const [batch, headCount, time, headSize] = q.shape as [Dim, number, Dim, number];
  const groups = Number(dimAt("cachedAttention", keys, 1));
  const apart = (x: Value, count: number) => g.reshape(x, [batch, groups, count, time, headSize]);
  const queries = apart(g.scale(q, 1 / Math.sqrt(headSize)), headCount / groups);
  const newKeys = apart(keys, 1);
  const newValues = apart(values, 1);

  const onPast = g.matMul(queries, g.transposeLast(past.keys)); // (B, Hkv, G, T, C)
  const onNew = g.matMul(queries, g.transposeLast(newKeys)); // (B, Hkv, G, T, T)
  const weights = g.softmax(g.add(g.concat([onPast, onNew], -1), mask)); // (B, Hkv, G, T, C + T)
  const sizes = [dimAt("cachedAttention", onPast, -1), dimAt("cachedAttention", onNew, -1)];
  const [pastWeights, newWeights] = g.record("Split", [weights, past.spans], { axis: -1, sizes }).outputs;
  if (!pastWeights || !newWeights) throw new Error("cachedAttention: Split gave fewer than two pieces");
  const mixed = g.add(g.matMul(pastWeights, past.values), g.matMul(newWeights, newValues));
  return g.reshape(mixed, [batch, headCount, time, headSize]);
}
