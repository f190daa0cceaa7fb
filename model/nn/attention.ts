/** @file Grouped-query attention over new tokens and, when serving, over the cache before them. */
import type { Graph, Value } from "@/model/graph/graph";
import { type Dim, dimAt } from "@/model/graph/tensor-type";

export type HeadLayout = { headCount: number; keyValueHeadCount: number; headSize: number };

/** Keys and values of one layer, each (B, Hkv, length, D). Keys are already rotated. */
export type KeysValues = { keys: Value; values: Value };

/** What is attended besides the new tokens themselves. `spans` is int64 (2): [length of the past, T]. */
export type Past = KeysValues & { spans: Value };

/** (B, T, H * D) -> (B, H, T, D) */
export function splitHeads(g: Graph, x: Value, headCount: number, headSize: number): Value {
  const [batch, time] = x.shape as [Dim, Dim, Dim];
  return g.transpose(g.reshape(x, [batch, time, headCount, headSize]), [0, 2, 1, 3]);
}

/** (B, H, T, D) -> (B, T, H * D) */
export function joinHeads(g: Graph, x: Value): Value {
  const [batch, heads, time, size] = x.shape as [Dim, number, Dim, number];
  return g.reshape(g.transpose(x, [0, 2, 1, 3]), [batch, time, heads * size]);
}

/** Rows of the mask: query heads that share a key head are laid end to end, so that no key is repeated. */
export function maskRows({ headCount, keyValueHeadCount }: HeadLayout, time: Dim): Dim {
  const shared = headCount / keyValueHeadCount;
  if (shared === 1) return time;
  return typeof time === "number" ? shared * time : `${shared}*${time}`;
}

/**
 * softmax(q kᵀ / sqrt(D) + mask) v
 *
 * @param q (B, H, T, D)
 * @param mask (B or 1, 1, H / Hkv * T, past + T), the past first: the T rows of a sequence once for each shared head
 * @returns (B, H, T, D)
 */
export function attention(
  g: Graph,
  { q, keys, values }: { q: Value } & KeysValues,
  { mask, past }: { mask: Value; past: Past | null },
): Value {
  const [batch, headCount, time, headSize] = q.shape as [Dim, number, Dim, number];
  const keyValueHeadCount = Number(dimAt("attention", keys, 1));
  const rows = maskRows({ headCount, keyValueHeadCount, headSize }, time);

  const scaled = g.scale(q, 1 / Math.sqrt(headSize));
  const queries = g.reshape(scaled, [batch, keyValueHeadCount, rows, headSize]);
  const newScores = g.matMul(queries, g.transposeLast(keys)); // (B, Hkv, rows, T)
  const scores = past ? g.concat([g.matMul(queries, g.transposeLast(past.keys)), newScores], -1) : newScores; // (B, Hkv, rows, past + T)
  const weights = g.softmax(g.add(scores, mask));
  const mixed = past ? mixWithPast(g, weights, values, past) : g.matMul(weights, values);
  return g.reshape(mixed, [batch, headCount, time, headSize]);
}

function mixWithPast(g: Graph, weights: Value, values: Value, past: Past): Value {
  const sizes = [dimAt("attention", past.values, -2), dimAt("attention", values, -2)];
  const [onPast, onNew] = g.record("Split", [weights, past.spans], { axis: -1, sizes }).outputs;
  if (!onPast || !onNew) throw new Error("attention: Split gave fewer than two pieces");
  return g.add(g.matMul(onPast, past.values), g.matMul(onNew, values));
}
