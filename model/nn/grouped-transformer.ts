/** @file A transformer over prompts with several responses each, laid end to end: a prompt is computed once for all of them. */
import type { ModelConfig } from "@/model/checkpoint/model-config";
import type { LaidOutGroups } from "@/model/data/response-groups";
import type { Graph, NodeRange, Value } from "@/model/graph/graph";
import type { Feed } from "@/model/runtime/graph-session";
import type { AttentionBlock } from "./block-attention";
import { buildTransformer } from "./transformer";
import type { ModelWeights } from "./weights";

/** Stretches of like length are computed together, in so many blocks. */
export const blockCount = 4;

/**
 * Inputs: those of `groupFeeds`, and the weights by name. Sizes are symbols: one graph computes groups of any lengths.
 * @param dropout applied to each branch (1, tokens, hidden)
 * @returns `hidden` ("tokens", hidden), after the last norm
 */
export function buildGroupedTransformer(
  g: Graph,
  config: ModelConfig,
  weights: ModelWeights,
  dropout: ((x: Value) => Value) | null = null,
): { hidden: Value; layers: readonly NodeRange[] } {
  const ids = g.input("ids", "int64", [1, "tokens"]);
  const positions = g.input("positions", "int64", [1, "tokens"]);
  const blocks = Array.from({ length: blockCount }, (_, i) => blockInputs(g, i));
  const { hidden, layers } = buildTransformer(g, config, weights, { ids, positions, blocks, dropout });
  return { hidden: g.reshape(hidden, ["tokens", config.hiddenSize]), layers };
}

function blockInputs(g: Graph, i: number): AttentionBlock {
  const [n, q, k] = [`block${i}.n`, `block${i}.q`, `block${i}.k`];
  return {
    queries: g.input(`block${i}.queries`, "int64", [n, q]),
    keys: g.input(`block${i}.keys`, "int64", [n, k]),
    visible: g.input(`block${i}.visible`, "int64", [n, q]),
    slots: g.input(`block${i}.slots`, "int64", [k]),
  };
}

/** The arrays of a batch by the names of the inputs. @param groups laid out in `blockCount` blocks */
export function groupFeeds({ ids, positions, blocks }: LaidOutGroups): Record<string, Feed> {
  const ofBlocks = blocks.flatMap(({ n, q, k, queries, keys, visible }, i): [string, Feed][] => [
    [`block${i}.queries`, { data: queries, shape: [n, q] }],
    [`block${i}.keys`, { data: keys, shape: [n, k] }],
    [`block${i}.visible`, { data: visible, shape: [n, q] }],
    [`block${i}.slots`, BigInt64Array.from({ length: k }, (_, slot) => BigInt(slot))],
  ]);
  return { ids, positions, ...Object.fromEntries(ofBlocks) };
}
