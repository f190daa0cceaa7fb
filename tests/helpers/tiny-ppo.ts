/** @file Policy and value function of one layer and a few tokens, as PPO trains them, and responses to prompts of theirs. */

import type { LlamaConfig } from "@/model/checkpoint/model-config";
import type { Judged, PpoPrompt } from "@/model/train/ppo/episodes";
import { GroupedLearner } from "@/model/train/ppo/grouped-learner";
import type { IterationSettings, PpoState } from "@/model/train/ppo/iteration";
import { buildLogprobGraph, buildPolicyUpdate } from "@/model/train/ppo/policy-graph";
import type { PolicyColumn, ValueColumn } from "@/model/train/ppo/update-targets";
import { buildValueGraph, buildValueUpdate, valueBias } from "@/model/train/ppo/value-graph";
import type { Trained } from "@/model/train/training-state";
import { randomWeights, tinyLlama } from "../numeric/train/tiny-configs";

/** By which every response ends that does. */
export const endToken = 0;

export const promptOf = (tokens: readonly number[]): PpoPrompt => ({
  messages: [{ role: "user", content: tokens.join(" ") }],
  tokens,
  rules: null,
  source: { file: "prompts.jsonl", line: 1 },
});

export function judged(prompt: PpoPrompt, tokens: number[], score: number): Judged {
  const samplerLogprobs = new Float32Array(tokens.length);
  const isEnded = tokens.at(-1) === endToken;
  return { prompt, tokens, samplerLogprobs, isEnded, text: "", parts: { rewardModel: score }, score };
}

export const newState = (beta: number): PpoState => ({
  beta,
  shift: null,
  scores: { count: 0, mean: 0, squares: 0 },
  valueBias: 0,
});

export const plainSettings: IterationSettings = {
  seed: 1,
  responseTokens: 4,
  minibatches: 2,
  innerEpochs: 1,
  responsesPerPrompt: 1,
  criticWarmup: 0,
  gamma: 1,
  lambda: 0.95,
  whiten: false,
  mostApproxKl: null,
  scoreClip: null,
  unfinishedScore: null,
  scoreShift: "none",
  scoreScale: false,
  warmupSteps: 0,
  lr: 0.01,
  valueLr: 0.01,
};

/** Of random weights that are the same each time; the value function gives 0 at first. */
export function tinyLearners(vocabularySize: number) {
  const config: LlamaConfig = { ...tinyLlama, vocabularySize, layerCount: 1 };
  const adamW = { beta1: 0.9, beta2: 0.95, epsilon: 1e-6, weightDecay: 0, maxGradientNorm: 1 };
  // Compiling is most of the time here.
  const common = { adamW, threads: 1, tokensPerBatch: 256, isSmall: true };
  const trained = (): Trained =>
    new Map([...randomWeights(config)].map(([name, values]) => [name, { values, shape: [values.length] }]));
  const head = { values: new Float32Array(config.hiddenSize), shape: [1, config.hiddenSize] };
  const policyOptions = { lora: null, mostRows: 256 };
  const valueOptions = { lora: null };
  return {
    policy: new GroupedLearner<PolicyColumn>({
      ...common,
      frozen: new Map(),
      trained: trained(),
      buildForward: () => buildLogprobGraph(config, policyOptions),
      buildUpdate: () => buildPolicyUpdate(config, { ...policyOptions, clip: 0.2, recompute: false }),
    }),
    value: new GroupedLearner<ValueColumn>({
      ...common,
      frozen: new Map([[valueBias, new Float32Array(1)]]),
      trained: new Map([...trained(), ["score.weight", head]]),
      buildForward: () => buildValueGraph(config, valueOptions),
      buildUpdate: () =>
        buildValueUpdate(config, { ...valueOptions, clip: 0.5, coefficient: 1, recompute: false }),
    }),
  };
}
