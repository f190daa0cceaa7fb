/** @file A reward model: a transformer with one score per response, read at the response's last token. */
import type { ModelConfig } from "@/model/checkpoint/model-config";
import type { LaidOutGroups } from "@/model/data/response-groups";
import type { Graph, NodeRange, Value } from "@/model/graph/graph";
import type { Feed } from "@/model/runtime/graph-session";
import { buildGroupedTransformer, groupFeeds } from "./grouped-transformer";
import type { LoraShape, TrainedWeights } from "./trained-weights";
import { newHeadName } from "./trained-weights";

export type RewardModelValues = {
  /** (R) without `scoreBias` */
  scores: Value;
  /** (R, hidden) what the scores are read from. */
  read: Value;
  /** (T, hidden) */
  hidden: Value;
  layers: readonly NodeRange[];
};

/**
 * Inputs: those of `rewardFeeds`, and the weights by name.
 * @param dropout as that of `buildGroupedTransformer`
 */
export function buildRewardModel(
  g: Graph,
  config: ModelConfig,
  weights: TrainedWeights,
  dropout: ((x: Value) => Value) | null = null,
): RewardModelValues {
  const ends = g.input("ends", "int64", ["responses"]);
  const { hidden, layers } = buildGroupedTransformer(g, config, weights, dropout);
  const read = g.gather(hidden, ends);
  const scores = g.reshape(scoreRows(g, config, weights, read), ["responses"]);
  return { scores, read, hidden, layers };
}

/** hidden (N, hidden) -> (N, 1): the head's product with each row. */
export function scoreRows(g: Graph, config: ModelConfig, weights: TrainedWeights, hidden: Value): Value {
  const head = weights.newHead(g, { name: scoreHead, rows: 1, width: config.hiddenSize });
  return g.apply("Gemm", [hidden, head], { transA: false, transB: true });
}

/** The layer's name, in transformers' models for the classification of sequences. */
export const scoreHead = "score";

/** As a checkpoint stores it: (1, hidden). */
export const scoreHeadName = (lora: LoraShape | null): string => newHeadName(scoreHead, lora);

/** The arrays of a batch by the names of the inputs. @param groups laid out in `blockCount` blocks */
export function rewardFeeds(groups: LaidOutGroups): Record<string, Feed> {
  return { ...groupFeeds(groups), ends: groups.ends };
}
