/** @file A reward model: a transformer with one score per response, read at the response's last token. */
import type { ModelConfig } from "@/model/checkpoint/model-config";
import type { LaidOutGroups } from "@/model/data/response-groups";
import type { Graph, NodeRange, Value } from "@/model/graph/graph";
import type { Feed } from "@/model/runtime/graph-session";
import type { AttentionBlock } from "./block-attention";
import type { LoraShape, TrainedWeights } from "./trained-weights";
import { newHeadName } from "./trained-weights";
import { buildTransformer } from "./transformer";

/** Stretches of like length are computed together, in so many blocks. */
export const blockCount = 4;

export type RewardModelValues = {
  /** (R) without `scoreBias`; of an ensemble (R * members), response by response. */
  scores: Value;
  /** (R, hidden) what the scores are read from. */
  read: Value;
  /** (T, hidden) */
  hidden: Value;
  layers: readonly NodeRange[];
};

export type RewardModelOptions = {
  /** What is applied to each branch. */
  dropout?: ((x: Value) => Value) | null;
  /** Heads that each give a score of their own. */
  members?: number;
};

/** Inputs: those of `rewardFeeds`, and the weights by name. Sizes are symbols: one graph computes groups of any lengths. */
export function buildRewardModel(
  g: Graph,
  config: ModelConfig,
  weights: TrainedWeights,
  { dropout = null, members = 1 }: RewardModelOptions = {},
): RewardModelValues {
  const ids = g.input("ids", "int64", [1, "tokens"]);
  const positions = g.input("positions", "int64", [1, "tokens"]);
  const ends = g.input("ends", "int64", ["responses"]);
  const blocks = Array.from({ length: blockCount }, (_, i) => blockInputs(g, i));
  const { hidden, layers } = buildTransformer(g, config, weights, { ids, positions, blocks, dropout });
  const rows = g.reshape(hidden, ["tokens", config.hiddenSize]);
  const read = g.gather(rows, ends);
  return {
    scores: flatScores(g, scoreRows(g, config, weights, read, { name: scoreHead, rows: members })),
    read,
    hidden: rows,
    layers,
  };
}

/** hidden (N, hidden) -> (N, rows): the product of each of a head's rows with each of `hidden`. */
export function scoreRows(
  g: Graph,
  config: ModelConfig,
  weights: TrainedWeights,
  hidden: Value,
  { name, rows }: { name: string; rows: number } = { name: scoreHead, rows: 1 },
): Value {
  const head = weights.newHead(g, { name, rows, width: config.hiddenSize });
  return g.apply("Gemm", [hidden, head], { transA: false, transB: true });
}

/** (R, members) -> (R * members) */
export function flatScores(g: Graph, scores: Value): Value {
  return g.reshape(scores, [scores.shape[1] === 1 ? "responses" : "memberScores"]);
}

/** The layer's name, in transformers' models for the classification of sequences. */
export const scoreHead = "score";

/** The heads of an ensemble where they stand beside `scoreHead`, which is their mean. */
export const memberHeads = "members";

/** As a checkpoint stores it: (1, hidden). */
export const scoreHeadName = (lora: LoraShape | null): string => newHeadName(scoreHead, lora);

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
export function rewardFeeds({ ids, positions, ends, blocks }: LaidOutGroups): Record<string, Feed> {
  const ofBlocks = blocks.flatMap(({ n, q, k, queries, keys, visible }, i): [string, Feed][] => [
    [`block${i}.queries`, { data: queries, shape: [n, q] }],
    [`block${i}.keys`, { data: keys, shape: [n, k] }],
    [`block${i}.visible`, { data: visible, shape: [n, q] }],
    [`block${i}.slots`, BigInt64Array.from({ length: k }, (_, slot) => BigInt(slot))],
  ]);
  return { ids, positions, ends, ...Object.fromEntries(ofBlocks) };
}
