/** @file What `attune reward` can be told: one schema for the command line, the server's form, other trainers and the defaults. */
import { z } from "zod";
import { foldWays } from "../eval/reward/trials";
import { commonSettings } from "./run-config";
import { loraSchema } from "./sft-config";

const {
  rowLength,
  rowsPerBatch,
  batchesPerStep,
  samplePrompts,
  sampleTokens,
  sampleTemperature,
  onLongExample,
  ...common
} = commonSettings;

/** Each costs a row of weights and hardly any time, but beyond a few the deviation hardly gets truer. */
const mostMembers = 32;
/** Each is a training of its own. */
const mostFolds = 20;

export const rewardConfigSchema = z.strictObject({
  ...common,
  model: z.string().min(1).describe("checkpoint folder to start from: the policy's, usually after SFT"),
  data: z.array(z.string().min(1)).min(1).describe("files of rankings, in any layout that is imported"),
  demonstrations: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "files of demonstrations, which score 0 on average in the end; null: the held-out responses do, or those trained on where none are held out",
    ),
  name: common.name.default("Reward model"),
  epochs: common.epochs.default(1).describe("passes over the data; more than one overfits"),
  lora: loraSchema
    .nullable()
    .default({ rank: null, alpha: null, targets: null })
    .describe(
      "train an adapter, a copy of the one it starts from or a new one; null: train every weight, merged before",
    ),
  lr: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("peak learning rate; null: 2e-4 with an adapter, 9e-6 when every weight is trained"),
  layers: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe(
      "how many of the base's layers the reward model keeps, from the first one on: fewer cost less to train and to ask, and the last ones are made for the next word; null: all",
    ),
  headStart: z
    .enum(["solved", "random"])
    .default("solved")
    .describe(
      "solved: the best head on the states as they are, by one pass over the data before the first step; random: the epoch has to find it",
    ),
  headLrFactor: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe(
      "what multiplies the learning rate of the score head; null: 1 where it was solved, 15 where it starts from nothing",
    ),
  ensemble: z
    .int()
    .min(1)
    .max(mostMembers)
    .default(1)
    .describe(
      "score heads over one trunk, each trained on a draw of its own of the prompts: the score is their mean, and where they differ it is unsure; 1: no ensemble",
    ),
  promptsPerBatch: z
    .int()
    .positive()
    .default(8)
    .describe("prompts with all their responses that make a step"),
  tokensPerBatch: z
    .int()
    .min(64)
    .default(2048)
    .describe(
      "tokens computed at once, which memory grows with; a prompt with more, over all of its responses, is computed by itself",
    ),
  longestTokens: z
    .int()
    .min(16)
    .nullable()
    .default(null)
    .describe("tokens of a prompt with one response; null: the model's context, at most 1024"),
  onLongResponse: z
    .enum(["cut", "skip", "refuse"])
    .default("cut")
    .describe(
      "a response that does not fit beside its prompt: its end is cut and its score read at the last token kept; or its prompt is left out; or the run ends",
    ),
  onConflict: z
    .enum(["each", "consensus"])
    .default("each")
    .describe("several rankings of one prompt: each counts by itself, or their Bradley-Terry consensus does"),
  validationShare: common.validationShare
    .default(0.1)
    .describe("of the prompts, never trained on; a user's prompts stay together where the rows name users"),
  probePrompts: z
    .int()
    .min(0)
    .default(20)
    .describe(
      "held-out prompts on which degenerate responses are tried, for the report that goes with each checkpoint; 0: none",
    ),
  folds: z
    .int()
    .min(2)
    .max(mostFolds)
    .nullable()
    .default(null)
    .describe(
      "before the run, models trained in the same way on all parts of the rankings but one, each judged on that part: so many more trainings, for accuracy over all of the data; null: none",
    ),
  foldsBy: z
    .enum(foldWays)
    .default("prompts")
    .describe(
      "prompts: parts of the prompts, a user's together; labelers: the work of a part of the labelers, judged by a model that had neither theirs nor the prompts they ranked",
    ),
  learningCurve: z
    .boolean()
    .default(true)
    .describe(
      "with headStart solved, solve heads on an eighth, a quarter and a half of the prompts too, and say how each does on those held out",
    ),
  onBadLine: common.onBadLine.describe("a row that is no ranked prompt"),
});

export type RewardConfig = z.output<typeof rewardConfigSchema>;
