/** @file Grouped-query attention within the tokens given, and the shapes heads have. */
import type { ModelConfig } from "@/model/checkpoint/model-config";
import type { Graph, Value } from "@/model/graph/graph";
import { type Dim, dimAt } from "@/model/graph/tensor-type";

export type HeadLayout = { headCount: number; keyValueHeadCount: number; headSize: number };

export function headLayout(config: ModelConfig): HeadLayout {
  const { headCount, headSize } = config;
  return {
    headCount,
    headSize,
    keyValueHeadCount: config.family === "gpt2" ? headCount : config.keyValueHeadCount,
  };
}

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
 * softmax(q kᵀ / sqrt(D) + mask) v, within the tokens given: the form that is trained. Queries are taken in blocks, and a
 * block is multiplied only with the keys up to its end: later ones must be hidden by the mask, as `packedMask` does.
 *
 * @param q (B, H, T, D)
 * @param mask (B or 1, 1, H / Hkv * T, T): the T rows of a sequence once for each shared head
 * @returns (B, H, T, D)
 */
export function attention(g: Graph, { q, keys, values }: { q: Value } & KeysValues, mask: Value): Value {
  const [batch, headCount, time, headSize] = q.shape as [number, number, number, number];
  const keyValueHeadCount = Number(dimAt("attention", keys, 1));
  const shared = headCount / keyValueHeadCount;
  const scaled = g.scale(q, 1 / Math.sqrt(headSize));
  const queries = g.reshape(scaled, [batch, keyValueHeadCount, shared, time, headSize]);
  const masks = g.reshape(mask, [Number(mask.shape[0]), 1, shared, time, time]);
  const turned = g.transposeLast(keys);
  const blocks = queryBlocks(time).map(([from, to]) => {
    const rows = shared * (to - from);
    const part = (x: Value, axis: number, start: number, end: number) =>
      start === 0 && end === time ? x : g.slice(x, axis, start, end);
    const ofBlock = g.reshape(part(queries, 3, from, to), [batch, keyValueHeadCount, rows, headSize]);
    const visible = g.reshape(part(part(masks, 3, from, to), 4, 0, to), [masks.shape[0] ?? 1, 1, rows, to]);
    const scores = g.matMul(ofBlock, part(turned, 3, 0, to)); // (B, Hkv, rows, to)
    const mixed = g.matMul(g.softmax(g.add(scores, visible)), part(values, 2, 0, to));
    return g.reshape(mixed, [batch, keyValueHeadCount, shared, to - from, headSize]);
  });
  const [only] = blocks;
  const joined = only && blocks.length === 1 ? only : g.concat(blocks, 3);
  return g.reshape(joined, [batch, headCount, time, headSize]);
}

/** At most four, of 64 queries or more. */
function queryBlocks(time: number): [from: number, to: number][] {
  const size = Math.max(64, Math.ceil(time / 4));
  return Array.from({ length: Math.ceil(time / size) }, (_, i) => [i * size, Math.min(time, (i + 1) * size)]);
}
