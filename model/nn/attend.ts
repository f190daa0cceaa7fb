/** @file Which attention a layer uses: within the tokens given when training, over its cache when serving. */
import type { Graph, Value } from "@/model/graph/graph";
import { attention, type KeysValues } from "./attention";
import { cachedAttention } from "./cached-attention";
import type { TransformerInputs } from "./transformer";

/** q (B, H, T, D), keys and values (B, Hkv, T, D) -> (B, H, T, D) */
export function attend(
  g: Graph,
  heads: { q: Value } & KeysValues,
  { layer, inputs: { mask, past } }: { layer: number; inputs: TransformerInputs },
): Value {
  if (mask === undefined) throw new Error("Attention by blocks takes heads as they lie");
  if (past === null) return attention(g, heads, mask);
  const ofLayer = past[layer];
  if (!ofLayer) throw new Error(`There is no cache for layer ${layer}`);
  return cachedAttention(g, heads, { mask, past: ofLayer });
}
