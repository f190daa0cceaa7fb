/** @file What `attune ppo` can be told: one schema for the command line, the server's form, other trainers and the defaults. */
import path from "node:path";
import { z } from "zod";
import { goldRuleSchema } from "../eval/gold";
import { ConfigError, commonSettings } from "./run-config";
import { loraSchema } from "./sft-config";

const {
  output,
  name,
  seed,
  beta1,
  beta2,
  epsilon,
  weightDecay,
  maxGradientNorm,
  recompute,
  threads,
  onBadLine,
} = commonSettings;

const weight = z
  .number()
  .describe("what the part counts in the score; 0: it is charted, and the policy never learns from it");

const partName = z.string().min(1).describe("what it is charted by, as part.<name>");

/** What a response is scored by, besides the reward model. */
export const scorePartSchema = z.discriminatedUnion("type", [
  z
    .strictObject({
      type: z.literal("rules"),
      name: partName,
      weight,
      rules: z
        .array(goldRuleSchema)
        .nullable()
        .default(null)
        .describe("what every response is checked against; null: what the prompt's own line says"),
    })
    .describe("the share of rules that a response meets, from 0 to 1"),
  z
    .strictObject({
      type: z.literal("rewardModel"),
      name: partName,
      weight,
      model: z.string().min(1).describe("checkpoint folder of a reward model with the policy's tokenizer"),
    })
    .describe("another reward model, for example one of another seed that only watches"),
  z
    .strictObject({
      type: z.literal("endpoint"),
      name: partName,
      weight,
      url: z
        .url({ protocol: /^https?$/ })
        .describe("gets {items: [{messages, response}]}, answers {scores: [number]}"),
      timeoutSeconds: z.number().positive().default(30).describe("of a try"),
      retries: z.int().nonnegative().default(5).describe("after that the run pauses; nothing is scored as 0"),
    })
    .describe("scores over HTTP"),
]);
export type ScorePart = z.output<typeof scorePartSchema>;

const guardsSchema = z.strictObject({
  klBudget: z
    .number()
    .positive()
    .nullable()
    .default(10)
    .describe(
      "nats a response may be from the reference, on average; also what the best checkpoint may have",
    ),
  entropyFloor: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .default(0.3)
    .describe("share of the first iteration's entropy below which the policy has stopped to vary"),
  lengthDrift: z
    .number()
    .gt(1)
    .nullable()
    .default(2.5)
    .describe("how many times longer or shorter than at first responses may become"),
  endedFloor: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .default(0.5)
    .describe("share of responses that must end by themselves, as a share of the first iteration's"),
  repetition: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .default(0.4)
    .describe("share of a response's word triples that may have been there before, on average"),
  flatJudge: z
    .int()
    .min(4)
    .nullable()
    .default(10)
    .describe(
      "iterations over which the score may rise while the judge does not; more, where it was asked less than four times in them",
    ),
});

export const ppoConfigSchema = z.strictObject({
  output,
  name: name.default("PPO policy"),
  seed: seed.describe("of sampling and order, and of the split"),
  splitSeed: z
    .int()
    .nonnegative()
    .nullable()
    .default(null)
    .describe(
      "which prompts are held out; null: by seed, and with several seeds by the first, so that all are measured by the same prompts",
    ),
  seeds: z
    .int()
    .min(1)
    .max(20)
    .default(1)
    .describe("so many runs that differ in nothing but their seed, each one higher than that before it"),
  model: z
    .string()
    .min(1)
    .describe("checkpoint folder of the policy to start from, usually after SFT; it is the reference too"),
  rewardModels: z
    .array(z.string().min(1))
    .min(1)
    .describe("checkpoint folders of reward models; the value function starts as a copy of the first"),
  data: z.array(z.string().min(1)).min(1).describe("files of prompts"),
  combine: z
    .enum(["mean", "minimum", "lowerBound"])
    .default("mean")
    .describe(
      "of several reward models, and of an ensemble's members: their mean, the least, or the mean less deviationFactor deviations",
    ),
  deviationFactor: z.number().min(0).default(1).describe("for lowerBound"),
  rewardWeight: weight.default(1),
  acceptFailedProbes: z
    .boolean()
    .default(false)
    .describe("use a reward model that prefers degenerate responses to real ones"),
  acceptFallenAccuracy: z
    .boolean()
    .default(false)
    .describe(
      "of a server's run: use a reward model that orders people's newest rankings clearly worse than its report promised",
    ),
  parts: z.array(scorePartSchema).default([]).describe("further parts of the score"),
  judge: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("name of the part that the score is watched against; null: the held-out prompts' score"),

  iterations: z.int().positive().default(40).describe("rounds of sampling, scoring and learning"),
  episodesPerIteration: z.int().min(2).default(64).describe("responses sampled in a round"),
  responsesPerPrompt: z
    .int()
    .positive()
    .default(1)
    .describe(
      "of a round, to each of its prompts, which is then computed once for all of them: cheaper, with fewer prompts",
    ),
  responseTokens: z.int().min(2).default(48).describe("longest response"),
  minibatches: z.int().positive().default(8).describe("updates in one pass over a round's episodes"),
  innerEpochs: z.int().positive().default(1).describe("passes over a round's episodes"),
  tokensPerBatch: z.int().min(64).default(1024).describe("tokens computed at once, which memory grows with"),

  lr: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("learning rate after warm-up; null: 1e-4 with an adapter, 1e-5 when every weight is trained"),
  valueLr: z.number().positive().nullable().default(null).describe("of the value function; null: lr"),
  warmupSteps: z.int().nonnegative().default(10).describe("iterations of linear rise"),
  criticWarmup: z
    .int()
    .nonnegative()
    .default(2)
    .describe("iterations in which the value function learns alone, for it starts badly scaled"),
  valueStart: z
    .enum(["fitted", "copied"])
    .default("fitted")
    .describe(
      "of the value function: the reward model, scaled and shifted once to what the first responses were worth; or the reward model as it is",
    ),
  lora: loraSchema
    .nullable()
    .default({ rank: null, alpha: null, targets: null })
    .describe("train an adapter, a copy of the one it starts from or a new one; null: train every weight"),
  beta1,
  beta2,
  epsilon,
  weightDecay,
  maxGradientNorm,
  recompute,

  beta: z.number().min(0).default(0.02).describe("what a nat of KL costs, in score"),
  adaptiveKl: z
    .strictObject({
      target: z.number().positive().default(6).describe("wanted nats a response"),
      horizon: z.number().positive().default(10_000).describe("episodes over which beta may double or halve"),
    })
    .nullable()
    .default(null)
    .describe("steer beta to a KL; null: it stays"),
  gamma: z.number().min(0).max(1).default(1).describe("discount"),
  lambda: z.number().min(0).max(1).default(0.95).describe("of generalized advantage estimation"),
  clip: z.number().positive().default(0.2).describe("of the ratio to the policy before a round's updates"),
  valueClip: z.number().positive().default(0.2).describe("of a value's change in a round"),
  valueCoefficient: z.number().positive().default(0.1).describe("of the value loss"),
  whiten: z.boolean().default(true).describe("advantages of a round get mean 0 and deviation 1"),
  mostApproxKl: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("a round's updates end early above this; null: they never do"),
  scoreShift: z
    .enum(["reference", "none"])
    .default("reference")
    .describe("reference: the policy it starts from scores 0 on average"),
  scoreScale: z.boolean().default(false).describe("divide by the running deviation of scores"),
  scoreClip: z.number().positive().nullable().default(5).describe("of the score, both ways; null: none"),
  unfinishedScore: z
    .number()
    .nullable()
    .default(-1)
    .describe("what a response gets that does not end within responseTokens; null: its score"),
  ema: z
    .number()
    .min(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe("checkpoints hold the running mean of the policy with this decay; null: the policy itself"),
  ptx: z
    .strictObject({
      data: z.array(z.string().min(1)).min(1).describe("text files or JSONL, as for pretraining"),
      coefficient: z
        .number()
        .positive()
        .nullable()
        .default(null)
        .describe("null: so that its gradient is as long as PPO's in the first round"),
      perEpisode: z.number().positive().default(1).describe("texts beside each episode"),
      rowLength: z.int().min(8).default(64).describe("tokens of a text"),
    })
    .nullable()
    .default(null)
    .describe("text continued as it stands beside each update, against forgetting (InstructGPT's PPO-ptx)"),

  validationShare: z.number().min(0).max(0.5).default(0.1).describe("of the prompts, never trained on"),
  evaluationPrompts: z
    .int()
    .positive()
    .default(32)
    .describe("held-out prompts answered at each evaluation, at most"),
  bestOfSamples: z
    .int()
    .min(2)
    .max(64)
    .nullable()
    .default(8)
    .describe(
      "responses of the reference to a held-out prompt, once, for the score of the best of 2, 4, … of them, which PPO is to beat; to as many prompts as an iteration has responses for; null: none",
    ),
  evaluateEverySteps: commonSettings.evaluateEverySteps,
  saveEverySteps: commonSettings.saveEverySteps.describe("null: every five; the best so far is always saved"),
  keepEpisodes: z.int().min(0).max(64).default(8).describe("episodes of each round that are shown to people"),
  guards: guardsSchema.prefault({}).describe("what pauses the run; each may be null: it never does"),
  threads,
  onBadLine: onBadLine.describe("a line that is no prompt"),
  onLongPrompt: z
    .enum(["skip", "refuse"])
    .default("skip")
    .describe("a prompt that leaves no room for a response"),
});

/** Under which the reward models' score is charted. */
export const rewardPartName = "rewardModel";

export type PpoConfig = z.output<typeof ppoConfigSchema>;

type Seeds = Pick<PpoConfig, "seed" | "seeds" | "splitSeed">;

/** Of each: all of several hold out the same prompts. */
export function seedsOf({ seeds, seed, splitSeed }: Seeds): Omit<Seeds, "seeds">[] {
  const ofSplit = seeds === 1 ? splitSeed : (splitSeed ?? seed);
  return Array.from({ length: seeds }, (_, i) => ({ seed: seed + i, splitSeed: ofSplit }));
}

/** One configuration for each seed; of several, each in a folder of its own. */
export function eachSeed(config: PpoConfig): PpoConfig[] {
  const { seeds, output } = config;
  return seedsOf(config).map((own) => ({
    ...config,
    ...own,
    seeds: 1,
    output: seeds === 1 ? output : path.join(output, `seed-${own.seed}`),
  }));
}

/**
 * What one setting alone cannot tell.
 * @throws ConfigError, one line per fault
 */
export function refuseContradictions(config: Pick<PpoConfig, Judged>): void {
  const { adaptiveKl, guards, beta, minibatches, episodesPerIteration, responsesPerPrompt, judge, parts } =
    config;
  const names = parts.map(({ name }) => name);
  const taken = names.find((name, at) => names.indexOf(name) < at || name === rewardPartName);
  const faults = [
    adaptiveKl && beta === 0
      ? "beta: 0 stays 0 however it is steered. Give it a value, or set adaptiveKl to null."
      : [],
    adaptiveKl && guards.klBudget !== null && adaptiveKl.target >= guards.klBudget
      ? `adaptiveKl.target: ${adaptiveKl.target} nats are not below guards.klBudget, ${guards.klBudget}, at which the run pauses. Lower the one or raise the other.`
      : [],
    episodesPerIteration % responsesPerPrompt !== 0
      ? `responsesPerPrompt: ${responsesPerPrompt} do not divide the ${episodesPerIteration} episodes of an iteration`
      : [],
    minibatches * responsesPerPrompt > episodesPerIteration
      ? `minibatches: ${minibatches} are more than the ${episodesPerIteration / responsesPerPrompt} prompts of an iteration`
      : [],
    taken === undefined ? [] : `parts: the name ${taken} is taken`,
    judge !== null && !names.includes(judge)
      ? `judge: there is no part named ${judge}; there is ${names.join(", ") || "none"}`
      : [],
  ].flat();
  if (faults.length > 0) throw new ConfigError(faults.join("\n"));
}

type Judged =
  | "adaptiveKl"
  | "guards"
  | "beta"
  | "minibatches"
  | "episodesPerIteration"
  | "responsesPerPrompt"
  | "judge"
  | "parts";
