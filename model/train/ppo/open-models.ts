/** @file All that PPO computes with, over one base in memory: policy, reference, reward and value are adapters and heads. */
import { type Checkpoint, openCheckpoint } from "../../checkpoint/checkpoint";
import { parameterCount } from "../../checkpoint/expected-tensors";
import { readRewardWeights } from "../../checkpoint/reward-weights";
import type { LoraShape } from "../../nn/trained-weights";
import type { SharedBase } from "../../runtime/scorer";
import type { PpoConfig } from "../ppo-config";
import { loadWeights } from "../train-language-model";
import { GroupedLearner, type GroupedLearnerOptions } from "./grouped-learner";
import type { PpoModels } from "./iteration";
import { buildLogprobGraph, buildPolicyUpdate } from "./policy-graph";
import { Rollouts } from "./rollouts";
import { ScoreParts } from "./score-parts";
import { copyOf } from "./trained-arrays";
import type { PolicyColumn, ValueColumn } from "./update-targets";
import { buildValueGraph, buildValueUpdate, valueBias } from "./value-graph";

/** Parameters of a model whose compiled updates may stay in memory together. */
const smallModel = 30e6;

/** Responses written at once: more take memory for their caches, and gain little. */
const mostSlots = 32;

export type OpenModelsOptions = {
  base: Checkpoint;
  lora: LoraShape | null;
  threads: number;
  /** Checkpoint of an interrupted run; null: it begins. */
  resumeFrom: string | null;
  basePlaces?: readonly string[] | undefined;
};

type Config = Pick<
  PpoConfig,
  | "seed"
  | "output"
  | "tokensPerBatch"
  | "responseTokens"
  | "episodesPerIteration"
  | "clip"
  | "valueClip"
  | "valueCoefficient"
  | "recompute"
  | "rewardModels"
  | "rewardWeight"
  | "combine"
  | "deviationFactor"
  | "parts"
  | "beta1"
  | "beta2"
  | "epsilon"
  | "weightDecay"
  | "maxGradientNorm"
>;

export type OpenModels = AsyncDisposable & { models: PpoModels; scoring: ScoreParts };

/** @throws OtherTokenizerError, NotARewardModelError, and what `openCheckpoint` throws */
export async function openModels(config: Config, options: OpenModelsOptions): Promise<OpenModels> {
  const { base, lora, threads, resumeFrom, basePlaces } = options;
  const { seed, tokensPerBatch, clip, recompute, output, episodesPerIteration } = config;
  const start = await loadWeights(base, { lora, seed }, { resumeFrom: null });
  const trained =
    resumeFrom === null ? copyOf(start.trained) : await resumedPolicy(base, { lora, seed, resumeFrom });
  // Where every weight is trained, there is no base that stays.
  const shared: SharedBase | null = lora === null ? null : { id: base.lineageBase.id, weights: start.frozen };
  const isSmall = parameterCount(base.config) < smallModel;
  const common = { adamW: config, tokensPerBatch, threads, isSmall };
  const mostRows = Math.max(tokensPerBatch, config.responseTokens);
  const scoring = await ScoreParts.open(config, { policy: base, threads, shared, basePlaces });
  try {
    // Nothing is compiled yet, and so there is nothing of these to release should the next one fail.
    const policy = new GroupedLearner<PolicyColumn>({
      ...common,
      trained,
      frozen: start.frozen,
      buildForward: () => buildLogprobGraph(base.config, { lora, mostRows }),
      buildUpdate: () => buildPolicyUpdate(base.config, { lora, mostRows, clip, recompute }),
    });
    const value = await openValue(config, { shared, basePlaces, common });
    const slots = Math.min(mostSlots, episodesPerIteration);
    const rollouts = new Rollouts({ checkpoint: base, lora, trained, threads, slots, scratchFolder: output });
    const spell = (tokens: readonly number[]) => base.tokenizer.decode(tokens, { special: true });
    return {
      models: { policy, value, reference: start.trained, rollouts, scoring, spell },
      scoring,
      async [Symbol.asyncDispose]() {
        for (const each of [rollouts, value, policy, scoring]) await each[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await scoring[Symbol.asyncDispose]();
    throw error;
  }
}

type ResumeOptions = { lora: LoraShape | null; seed: number; resumeFrom: string };

/** The base below an adapter is in memory already. */
async function resumedPolicy(base: Checkpoint, { resumeFrom, ...weights }: ResumeOptions) {
  const shapes = weights.lora === null ? {} : { shapes: new Map<string, readonly number[]>() };
  return (await loadWeights(base, weights, { resumeFrom, ...shapes })).trained;
}

type ValueOptions = {
  shared: SharedBase | null;
  basePlaces: readonly string[] | undefined;
  common: Pick<GroupedLearnerOptions, "adamW" | "tokensPerBatch" | "threads" | "isSmall">;
};

/** A trainable copy of the first reward model, read before each token instead of at the last one. */
async function openValue(
  { rewardModels: [folder = ""], valueClip: clip, valueCoefficient: coefficient, recompute }: Config,
  { shared, basePlaces, common }: ValueOptions,
): Promise<GroupedLearner<ValueColumn>> {
  using checkpoint = await openCheckpoint(folder, { basePlaces });
  const isOfLineage = shared !== null && shared.id === checkpoint.lineageBase.id;
  const { lora, weights } = readRewardWeights(checkpoint, isOfLineage ? shared.weights : null);
  const buildForward = () => buildValueGraph(checkpoint.config, { lora });
  const { graph, trained: names = [] } = buildForward();
  const trained = new Map(
    names.map((name) => {
      const shape = graph.inputs.find((input) => input.name === name)?.shape.map(Number) ?? [];
      return [name, { values: (weights.get(name) ?? new Float32Array()).slice(), shape }] as const;
    }),
  );
  const frozen = new Map([...weights].filter(([name]) => !trained.has(name)));
  frozen.set(valueBias, Float32Array.of(checkpoint.manifest.scoreBias ?? 0));
  const buildUpdate = () => buildValueUpdate(checkpoint.config, { lora, clip, coefficient, recompute });
  return new GroupedLearner<ValueColumn>({ ...common, buildForward, buildUpdate, trained, frozen });
}
