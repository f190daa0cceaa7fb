/** @file Which tokens of packed rows may look at which: those before them in their own example. */
import type { Graph, Value } from "@/model/graph/graph";
import type { HeadLayout } from "./attention";

/**
 * @param positions int64 (B, T) place within the example @param segments int64 (B, T) number of the example in its row
 * @returns what is added to attention scores: 0 or -∞. (B, 1, `maskRows`, T)
 */
export function packedMask(g: Graph, positions: Value, segments: Value, heads: HeadLayout): Value {
  const [batch, time] = positions.shape.map(Number) as [number, number];
  const asQuery = (x: Value) => g.reshape(x, [batch, 1, time, 1]);
  const asKey = (x: Value) => g.reshape(x, [batch, 1, 1, time]);
  const isSameExample = g.apply("Equal", [asQuery(segments), asKey(segments)], {});
  const isNotLater = g.apply("LessOrEqual", [asKey(positions), asQuery(positions)], {});
  const isVisible = g.apply("And", [isSameExample, isNotLater], {});
  const shared = heads.headCount / heads.keyValueHeadCount;
  const mask = g.where(isVisible, g.scalar(0), g.scalar(Number.NEGATIVE_INFINITY));
  return shared === 1
    ? mask
    : g.concat(
        Array.from({ length: shared }, () => mask),
        2,
      );
}
