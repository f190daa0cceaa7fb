/** @file Grouped-query attention within the tokens given, and the shapes heads have. */
import type { Graph, Value } from "@/model/graph/graph";
import { type Dim, dimAt } from "@/model/graph/tensor-type";

export type HeadLayout = { headCount: number; keyValueHeadCount: number; headSize: number };

/** Keys and values of one layer, each (B, Hkv, length, D). Keys are already rotated. */
export type KeysValues = { keys: Value; values: Value };

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
 * softmax(q kᵀ / sqrt(D) + mask) v, within the tokens given: the form that is trained.
 *
 * @param q (B, H, T, D)
 * @param mask (B or 1, 1, H / Hkv * T, T): the T rows of a sequence once for each shared head
 * @returns (B, H, T, D)
 */
export function attention(g: Graph, { q, keys, values }: { q: Value } & KeysValues, mask: Value): Value {
  const [batch, headCount, time, headSize] = q.shape as [Dim, number, Dim, number];
  const keyValueHeadCount = Number(dimAt("attention", keys, 1));
  const rows = maskRows({ headCount, keyValueHeadCount, headSize }, time);
  const scaled = g.scale(q, 1 / Math.sqrt(headSize));
  const queries = g.reshape(scaled, [batch, keyValueHeadCount, rows, headSize]);
  const scores = g.matMul(queries, g.transposeLast(keys)); // (B, Hkv, rows, T)
  const mixed = g.matMul(g.softmax(g.add(scores, mask)), values);
  return g.reshape(mixed, [batch, headCount, time, headSize]);
}
