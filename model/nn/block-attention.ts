/** @file Attention over tokens laid end to end, of which each looks at tokens of its own choice: texts that share a beginning. */
import type { Graph, Value } from "@/model/graph/graph";
import type { Dim } from "@/model/graph/tensor-type";
import { type HeadLayout, joinHeads, maskRows, splitHeads } from "./attention";

/**
 * Some stretches of tokens beside each other, filled up to one length, each with the tokens it may look at. Rows are
 * those of the tokens laid end to end; the sizes n, q and k may be symbols.
 *
 * What fills up are the rows of a token that nothing else looks at or reads: so its gradients are zero, and the fillings'.
 */
export type AttentionBlock = {
  /** int64 (n, q): rows that look. */
  queries: Value;
  /** int64 (n, k): rows that are looked at. */
  keys: Value;
  /** int64 (n, q): how many of the keys each query may look at, the first ones; at least one. */
  visible: Value;
  /** int64 (k): 0, 1, … */
  slots: Value;
};

/** What all layers share of a block. */
type PreparedBlock = {
  queries: Value;
  keys: Value;
  /** int64 (n, q, 1) */
  targets: Value;
  /** int64 (n, q) and (n, k) */
  queryPositions: Value;
  keyPositions: Value;
  /** (n, 1, maskRows, k) */
  mask: Value;
};

export type FlatHeads = {
  /** (1, T, H * D) */
  q: Value;
  /** (1, T, Hkv * D) each */
  keys: Value;
  values: Value;
};

export type BlockAttention = (
  heads: FlatHeads,
  /** Applied to queries and keys (n, H, length, D) by their positions (n, length): rotary embedding. */
  turn?: (heads: Value, positions: Value) => Value,
) => Value;

/**
 * softmax(q kᵀ / sqrt(D) + mask) v for each block, and the results back in their rows.
 * @param positions int64 (1, T)
 * @returns what a layer calls: (1, T, H * D)
 */
export function prepareBlocks(
  g: Graph,
  blocks: readonly AttentionBlock[],
  positions: Value,
  layout: HeadLayout,
): BlockAttention {
  const tokens = positions.shape[1] as Dim;
  const places = g.reshape(positions, [tokens]);
  const prepared = blocks.map((block) => prepareBlock(g, block, places, layout));
  const width = layout.headCount * layout.headSize;
  const column = g.scale(g.cast(g.reshape(positions, [tokens, 1]), "float32"), 0);
  const zeros = g.mul(column, g.full([1, width], 1)); // (T, H * D)
  return (heads, turn = (x) => x) => {
    const flat = (x: Value) => g.reshape(x, [tokens, x.shape[2] as Dim]);
    const rows = { q: flat(heads.q), keys: flat(heads.keys), values: flat(heads.values) };
    const mixed = prepared.reduce((sum, block) => {
      const ofBlock = attendWithin(g, rows, { block, layout, turn });
      return g.apply("ScatterND", [sum, block.targets, ofBlock], { reduction: "add" });
    }, zeros);
    return g.reshape(mixed, heads.q.shape);
  };
}

function prepareBlock(
  g: Graph,
  { queries, keys, visible, slots }: AttentionBlock,
  places: Value,
  layout: HeadLayout,
): PreparedBlock {
  const [n, q] = queries.shape as [Dim, Dim];
  const [, k] = keys.shape as [Dim, Dim];
  const isVisible = g.apply("Less", [g.reshape(slots, [1, 1, 1, k]), g.reshape(visible, [n, 1, q, 1])], {});
  const mask = g.where(isVisible, g.scalar(0), g.scalar(Number.NEGATIVE_INFINITY)); // (n, 1, q, k)
  const shared = layout.headCount / layout.keyValueHeadCount;
  return {
    queries,
    keys,
    targets: g.reshape(queries, [n, q, 1]),
    queryPositions: g.gather(places, queries),
    keyPositions: g.gather(places, keys),
    mask:
      shared === 1
        ? mask
        : g.concat(
            Array.from({ length: shared }, () => mask),
            2,
          ),
  };
}

type WithinBlock = {
  block: PreparedBlock;
  layout: HeadLayout;
  turn: (heads: Value, positions: Value) => Value;
};

/** rows (T, …) -> (n, q, H * D) */
function attendWithin(g: Graph, rows: FlatHeads, { block, layout, turn }: WithinBlock): Value {
  const { headCount, keyValueHeadCount, headSize } = layout;
  const [n, q] = block.queries.shape as [Dim, Dim];
  const heads = (x: Value, ids: Value, count: number) => splitHeads(g, g.gather(x, ids), count, headSize);
  const queries = turn(heads(rows.q, block.queries, headCount), block.queryPositions); // (n, H, q, D)
  const keys = turn(heads(rows.keys, block.keys, keyValueHeadCount), block.keyPositions); // (n, Hkv, k, D)
  const values = heads(rows.values, block.keys, keyValueHeadCount);
  const scaled = g.scale(queries, 1 / Math.sqrt(headSize));
  const stacked = g.reshape(scaled, [n, keyValueHeadCount, maskRows(layout, q), headSize]);
  const scores = g.add(g.matMul(stacked, g.transposeLast(keys)), block.mask); // (n, Hkv, maskRows, k)
  const mixed = g.matMul(g.softmax(scores), values);
  return joinHeads(g, g.reshape(mixed, [n, headCount, q, headSize]));
}
