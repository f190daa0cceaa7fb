/** @file What PPO's score is made of: reward models, rules, endpoints; each by its name, summed by weight. */
import type { Checkpoint } from "../../checkpoint/checkpoint";
import type { LineProblem } from "../../data/read-lines";
import { type GoldRule, goldScore } from "../../eval/gold";
import { deviationOf } from "../../eval/reward/member-spread";
import { Scorer, type SharedBase } from "../../runtime/scorer";
import { type PpoConfig, rewardPartName, type ScorePart } from "../ppo-config";
import { type AskOptions, askEndpoint } from "./endpoint";
import { groupsOf, type Judged, type PpoPrompt, type Rollout } from "./episodes";
import { mean } from "./metrics";

/** Scores of responses, in order. */
type Part = {
  name: string;
  weight: number;
  score(rollouts: readonly Rollout[], options: AskOptions): Promise<number[]>;
};

type ScoreSettings = Pick<
  PpoConfig,
  "rewardModels" | "rewardWeight" | "combine" | "deviationFactor" | "parts"
>;

export type ScorePartsOptions = {
  policy: Checkpoint;
  threads: number;
  /** Arrays of a base that reward models over it read too. */
  shared: SharedBase | null;
  basePlaces?: readonly string[] | undefined;
};

export class ScoreParts implements AsyncDisposable {
  readonly #parts: Part[] = [];
  readonly #scorers: Scorer[] = [];

  /** @throws OtherTokenizerError, NotARewardModelError, and what `openCheckpoint` throws */
  static async open(config: ScoreSettings, options: ScorePartsOptions): Promise<ScoreParts> {
    const made = new ScoreParts();
    try {
      await made.#open(config, options);
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    return made;
  }

  async #open(
    config: ScoreSettings,
    { policy, threads, shared, basePlaces }: ScorePartsOptions,
  ): Promise<void> {
    const openScorer = async (folder: string) => {
      const scorer = await Scorer.open(folder, { threads, policy, shared, basePlaces });
      this.#scorers.push(scorer);
      return scorer;
    };
    const models: Scorer[] = [];
    for (const folder of config.rewardModels) models.push(await openScorer(folder));
    this.#parts.push({
      name: rewardPartName,
      weight: config.rewardWeight,
      score: async (rollouts, { signal }) => combine(await scoreByAll(models, rollouts, signal), config),
    });
    for (const part of config.parts) {
      const { name, weight } = part;
      const own = part.type === "rewardModel" ? await openScorer(part.model) : null;
      const score: Part["score"] = (rollouts, options) =>
        own ? scoreBy(own, rollouts, options.signal) : scoreOtherwise(part, rollouts, options);
      this.#parts.push({ name, weight, score });
    }
  }

  /** @throws EndpointError */
  async judge(rollouts: readonly Rollout[], options: AskOptions): Promise<Judged[]> {
    const columns: { name: string; weight: number; scores: number[] }[] = [];
    for (const { name, weight, score } of this.#parts)
      columns.push({ name, weight, scores: await score(rollouts, options) });
    return rollouts.map((rollout, i) => {
      const parts = Object.fromEntries(columns.map(({ name, scores }) => [name, scores[i] ?? Number.NaN]));
      // A part that only watches adds nothing, whatever it says.
      const score = columns.reduce(
        (sum, { weight, scores }) => sum + (weight && weight * (scores[i] ?? Number.NaN)),
        0,
      );
      return { ...rollout, parts, score };
    });
  }

  /** Of all reward models' weights as they are in memory: they are not to change. */
  get sha256(): string {
    return this.#scorers.map(({ sha256 }) => sha256).join(" ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const scorer of this.#scorers) await scorer[Symbol.asyncDispose]();
  }
}

/** @returns (models), an ensemble's members one by one, of (responses) */
async function scoreByAll(
  models: readonly Scorer[],
  rollouts: readonly Rollout[],
  signal?: AbortSignal,
): Promise<number[][]> {
  const all: number[][] = [];
  for (const model of models) {
    const scores = (await model.scoreTokens(groupsOf(rollouts), { signal })).flat();
    const members = scores.map(({ score, memberScores }) => memberScores ?? [score]);
    for (let member = 0; member < model.members; member++)
      all.push(members.map((ofResponse) => ofResponse[member] ?? Number.NaN));
  }
  return all;
}

/** By the very tokens that were sampled, the end included. */
async function scoreBy(model: Scorer, rollouts: readonly Rollout[], signal?: AbortSignal): Promise<number[]> {
  const scores = await model.scoreTokens(groupsOf(rollouts), { signal });
  return scores.flat().map(({ score }) => score);
}

/** @param scores by model, or member of an ensemble, then response */
export function combine(
  scores: readonly (readonly number[])[],
  { combine: how, deviationFactor }: Pick<PpoConfig, "combine" | "deviationFactor">,
): number[] {
  const byResponse = (scores[0] ?? []).map((_, i) => scores.map((ofModel) => ofModel[i] ?? Number.NaN));
  const combined = {
    mean,
    minimum: (of: readonly number[]) => Math.min(...of),
    // One model alone has no spread to be cautious about.
    lowerBound: (of: readonly number[]) => mean(of) - (of.length > 1 ? deviationFactor * deviationOf(of) : 0),
  };
  return byResponse.map(combined[how]);
}

async function scoreOtherwise(
  part: ScorePart,
  rollouts: readonly Rollout[],
  options: AskOptions,
): Promise<number[]> {
  switch (part.type) {
    case "rules":
      return rollouts.map(({ prompt, text }) => goldScore(text, rulesOf(part, prompt) ?? missing()).score);
    case "endpoint":
      return askEndpoint(part, rollouts, options);
    case "rewardModel":
      throw new Error("A reward model scores by itself");
  }
}

function missing(): never {
  throw new Error("A prompt without rules was let through");
}

/** Null: the part has none of its own, and neither has the prompt. */
const rulesOf = ({ rules }: RulesPart, prompt: Pick<PpoPrompt, "rules">): readonly GoldRule[] | null =>
  rules ?? prompt.rules;

type RulesPart = Extract<ScorePart, { type: "rules" }>;

/** Prompts whose responses one of the parts could not check. */
export function withoutRules(
  prompts: readonly Pick<PpoPrompt, "rules" | "source">[],
  parts: readonly ScorePart[],
): LineProblem[] {
  return parts.flatMap((part) =>
    part.type !== "rules"
      ? []
      : prompts
          .filter((prompt) => rulesOf(part, prompt) === null)
          .map(({ source }) => ({
            ...source,
            reason: `has no rules, which the part ${part.name} checks responses against`,
          })),
  );
}
