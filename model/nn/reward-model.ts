/** @file A reward model: a transformer with one score per response, read at the response's last token. */
import type { ModelConfig } from "@/model/checkpoint/model-config";
import type { LaidOutGroups } from "@/model/data/response-groups";
import type { Graph, NodeRange, Value } from "@/model/graph/graph";
import type { Feed } from "@/model/runtime/graph-session";
import { buildGroupedTransformer, groupFeeds } from "./grouped-transformer";
import type { LoraShape, TrainedWeights } from "./trained-weights";
import { newHeadName } from "./trained-weights";

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
  /** As that of `buildGroupedTransformer`. */
  dropout?: ((x: Value) => Value) | null;
  /** Heads that each give a score of their own. */
  members?: number;
};

/** Inputs: those of `rewardFeeds`, and the weights by name. */
export function buildRewardModel(
  g: Graph,
  config: ModelConfig,
  weights: TrainedWeights,
  { dropout = null, members = 1 }: RewardModelOptions = {},
): RewardModelValues {
  const ends = g.input("ends", "int64", ["responses"]);
  const { hidden, layers } = buildGroupedTransformer(g, config, weights, dropout);
  const read = g.gather(hidden, ends);
  const scores = flatScores(g, scoreRows(g, config, weights, read, { name: scoreHead, rows: members }));
  return { scores, read, hidden, layers };
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

/** The arrays of a batch by the names of the inputs. @param groups laid out in `blockCount` blocks */
export function rewardFeeds(groups: LaidOutGroups): Record<string, Feed> {
  return { ...groupFeeds(groups), ends: groups.ends };
}
