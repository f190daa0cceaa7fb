/** @file PPO as a run's loop sees it: a step is an iteration, and what it has to know to go on is kept with each checkpoint. */
import { bestOfN, bestOfNKl, bestOfSizes } from "../../eval/best-of-n";
import { scoreHead } from "../../nn/reward-model";
import type { PpoConfig } from "../ppo-config";
import { type Evaluation, type Objective, PausedError, type RunEvent, type StepReport } from "../run-loop";
import type { TrainingStep } from "../take-step";
import type { OptimizerState, StageState, Trained } from "../training-state";
import type { DataEvent } from "../unfit-data";
import { pick } from "./endless-order";
import { type Episode, groupsOf, type Judged, type PpoPrompt, type TokenReadings } from "./episodes";
import { brokenGuard, type GuardRule } from "./guard-rails";
import {
  describeIteration,
  type IterationSettings,
  type PpoModels,
  readEpisodes,
  rollOut,
  update,
} from "./iteration";
import { adaptedBeta, klEstimates } from "./kl-penalty";
import { mean } from "./metrics";
import { newState, type PpoRunState, ppoStateSchema, watchedSchema } from "./run-state";
import { type ShownEpisode, showEpisodes } from "./shown-episodes";
import { copyOf, moveTowards, overwrite, prefixed } from "./trained-arrays";
import { policyTargets, type Texts, textTargets } from "./update-targets";
import { valueBias } from "./value-graph";

export type PpoEvent =
  | RunEvent
  | DataEvent
  /** What is charted of an iteration; its number counts from 0, as that of a step. */
  | { type: "iteration"; step: number; metrics: Record<string, number>; seconds: Record<string, number> }
  | { type: "episodes"; step: number; episodes: ShownEpisode[] }
  /** What the best of n responses of the reference would score, and how many nats from it that would be at most. */
  | { type: "bestOfN"; points: { n: number; kl: number; score: number }[] };

export type PpoObjectiveOptions = {
  config: PpoConfig & { lr: number; valueLr: number };
  models: PpoModels;
  training: readonly PpoPrompt[];
  heldOut: readonly PpoPrompt[];
  /** Texts beside the updates, each with at least two tokens; null: none. */
  texts: readonly (readonly number[])[] | null;
  /** Of the checkpoint gone on from; null: it begins. */
  resumed: StageState | null;
  writeWeights(folder: string, policy: Trained): Promise<void>;
  onEvent(event: PpoEvent): void;
  signal?: AbortSignal | undefined;
};

/** Prompts whose responses people follow through the run. */
const followedPrompts = 6;
/** Iterations that what watches the score looks back on, at most. */
const keptHistory = 500;
/** So that every evaluation draws the same, and no iteration does. */
const evaluationStep = 2 ** 32 - 1;
const bestOfStep = 2 ** 32 - 2;
const valuePrefix = "value.";
const policyPrefix = "policy.";

export class PpoObjective implements Objective {
  readonly totalSteps: number;
  readonly learner: { optimizer: OptimizerState; trained: Trained };
  readonly stage: { state: StageState; hidden: Trained };
  readonly evaluate: Objective["evaluate"];
  readonly sampling = null;
  readonly #options: PpoObjectiveOptions;
  readonly #settings: IterationSettings;
  /** Running mean of the policy; null: checkpoints hold the policy itself. */
  readonly #averaged: Trained | null;
  #state: PpoRunState;

  constructor(options: PpoObjectiveOptions) {
    const { config, models, heldOut, resumed } = options;
    this.#options = options;
    this.#settings = config;
    this.totalSteps = config.iterations;
    this.#state = ppoStateSchema.parse(resumed ?? newState(config));
    this.#averaged = config.ema === null ? null : copyOf(models.policy.trained);
    const ofValue = prefixed(models.value.trained, valuePrefix);
    this.learner = {
      optimizer: joined(models.policy.optimizer, models.value.optimizer),
      trained: new Map([...models.policy.trained, ...ofValue]),
    };
    // With a running mean the policy itself is in no file of the checkpoint.
    const ofPolicy = this.#averaged ? prefixed(models.policy.trained, policyPrefix) : new Map();
    this.stage = { state: this.#state, hidden: new Map([...ofValue, ...ofPolicy]) };
    models.value.optimizer.stepCount = this.#state.valueSteps;
    if (this.#state.valueBias === null && config.valueStart === "copied")
      this.#state.valueBias = models.value.constant(valueBias);
    this.#setValueBias();
    this.evaluate = heldOut.length === 0 ? null : (steps) => this.#asSaved(() => this.#evaluate(steps));
  }

  epochOf(step: number): number {
    const { episodesPerIteration, responsesPerPrompt } = this.#options.config;
    const prompts = step * (episodesPerIteration / responsesPerPrompt);
    return Math.floor(prompts / this.#options.training.length);
  }

  /** As high a score as the KL budget allows. */
  merit({ heldOutScore = Number.NaN, heldOutKl = 0 }: Evaluation): number {
    const { klBudget } = this.#options.config.guards;
    return klBudget !== null && heldOutKl > klBudget ? Number.NEGATIVE_INFINITY : heldOutScore;
  }

  writeWeights(folder: string): Promise<void> {
    return this.#options.writeWeights(folder, this.#averaged ?? this.#options.models.policy.trained);
  }

  async advance(at: TrainingStep): Promise<StepReport> {
    const { models, onEvent, signal, config } = this.#options;
    const { step } = at;
    const place = `before iteration ${step + 1}`;
    // 1. Responses, their scores, and what the models say of them.
    const { judged, seconds: sampling } = await rollOut(models, this.#promptsOf(step), {
      ...this.#settings,
      step,
      place,
      signal,
    });
    const {
      episodes,
      state,
      headScale,
      seconds: reading,
    } = await readEpisodes(models, judged, this.#state, this.#settings);
    signal?.throwIfAborted();
    refuseNonNumbers(episodes, place);
    if (this.#state.first === null) this.#warnOfEmptyResponses(judged);
    // 2. From here on weights change.
    scaleHead(models.value.trained, headScale);
    this.#state.valueBias = state.valueBias;
    this.#setValueBias();
    const texts = await this.#textsOf(step, episodes);
    const { metrics, firstRatioGap, applied, seconds } = await update(models, episodes, at, {
      ...this.#settings,
      texts,
    });
    if (this.#averaged && config.ema !== null) moveTowards(this.#averaged, models.policy.trained, config.ema);
    const described = { ...describeIteration(episodes, { state, firstRatioGap }), ...metrics };
    const phases = { ...sampling, ...reading, update: reading.update + seconds.policy + seconds.value };
    onEvent({ type: "iteration", step, metrics: described, seconds: phases });
    onEvent({ type: "episodes", step, episodes: showEpisodes(episodes, config.keepEpisodes, models.spell) });
    // 3. What the next iteration has to know, and whether there should be one.
    this.#keep({ ...state, beta: this.#nextBeta(described.klK3, episodes.length) }, described);
    const broken = brokenGuard(described, this.#history(), config.guards);
    if (broken) this.#state.accepted[broken.rule] = broken.severity;
    const tokens = judged.reduce((sum, each) => sum + each.tokens.length, 0);
    return {
      loss: applied ? metrics.pgLoss + config.valueCoefficient * metrics.vfLoss : Number.NaN,
      gradientNorm: metrics.policyGradientNorm || metrics.valueGradientNorm,
      applied,
      tokens,
      seconds: {},
      pause: broken?.error,
    };
  }

  #setValueBias(): void {
    const { frozen } = this.#options.models.value.options;
    if (this.#state.valueBias !== null) frozen.get(valueBias)?.fill(this.#state.valueBias);
  }

  /** Such a policy has nothing to learn from: one token, and the same one for each prompt. */
  #warnOfEmptyResponses(judged: readonly Judged[]): void {
    const empty = judged.filter(({ tokens, isEnded }) => isEnded && tokens.length === 1).length;
    if (empty <= judged.length / 2) return;
    const text = `${empty} of ${judged.length} responses are nothing but their end: the policy ends its answers at once, and there is little that the score could tell apart. Start from a checkpoint after SFT whose answers you have read, and see that its chat template is the one it was trained with.`;
    this.#options.onEvent({ type: "note", level: "warn", text });
  }

  #promptsOf(step: number): PpoPrompt[] {
    const { config, training } = this.#options;
    const count = config.episodesPerIteration / config.responsesPerPrompt;
    return Array.from({ length: count }, (_, i) => pick(training, step * count + i, config.seed)).flatMap(
      (prompt) => Array.from({ length: config.responsesPerPrompt }, () => prompt),
    );
  }

  async #textsOf(step: number, episodes: readonly Episode[]): Promise<Texts | null> {
    const { config, texts, models } = this.#options;
    if (texts === null || config.ptx === null || step < config.criticWarmup) return null;
    const { perEpisode } = config.ptx;
    const perIteration = Math.round(perEpisode * config.episodesPerIteration * config.innerEpochs);
    let [taken, asked] = [0, 0];
    /** A share of a text is made up for later. */
    const next = (count: number) => {
      asked += count;
      const missing = Math.max(0, Math.round(perEpisode * asked) - taken);
      return Array.from({ length: missing }, () => pick(texts, step * perIteration + taken++, config.seed));
    };
    if (this.#state.ptxCoefficient === null) {
      const [some, least] = [episodes.slice(0, Math.round(episodes.length / config.minibatches)), 1e-12];
      const ofPpo = await models.policy.gradientNorm([policyTargets(some)]);
      const all = { next: () => next(episodes.length), coefficient: 1 };
      const ofText = await models.policy.gradientNorm(textTargets(all, some.length));
      [taken, asked] = [0, 0];
      const suggested = ofPpo / Math.max(ofText, least);
      this.#state.ptxCoefficient = config.ptx.coefficient ?? suggested;
      const text = `The gradient of PPO's objective is ${suggested.toPrecision(3)} times as long as that of the text beside it; ptx.coefficient is ${this.#state.ptxCoefficient.toPrecision(3)}.`;
      this.#options.onEvent({ type: "note", level: "info", text });
    }
    return { next, coefficient: this.#state.ptxCoefficient };
  }

  #nextBeta(kl: number, episodes: number): number {
    const { adaptiveKl } = this.#options.config;
    return adaptiveKl ? adaptedBeta(this.#state.beta, { kl, episodes }, adaptiveKl) : this.#state.beta;
  }

  #keep(next: Pick<PpoRunState, "beta" | "shift" | "scores">, metrics: Record<string, number>): void {
    const { config, models } = this.#options;
    const watched =
      config.judge === null ? this.#state.lastHeldOut : (metrics[`part.${config.judge}`] ?? null);
    const tail = <T>(all: readonly T[]) => all.slice(-keptHistory);
    Object.assign(this.#state, {
      beta: next.beta,
      shift: next.shift,
      scores: next.scores,
      valueSteps: models.value.optimizer.stepCount,
      first: this.#state.first ?? watchedSchema.parse(metrics),
      scored: tail([...this.#state.scored, metrics.score ?? 0]),
      judged: tail([...this.#state.judged, watched]),
      lastHeldOut: null,
    });
  }

  #history() {
    const { first, scored, judged, accepted } = this.#state;
    return { first, scores: scored, judged, accepted: accepted as Partial<Record<GuardRule, number>> };
  }

  /** What is measured is what a checkpoint of now would hold: with a running mean not the policy that learns. */
  async #asSaved<T>(work: () => Promise<T>): Promise<T> {
    if (this.#averaged === null) return work();
    const { trained } = this.#options.models.policy;
    const own = copyOf(trained);
    overwrite(trained, this.#averaged);
    try {
      return await work();
    } finally {
      overwrite(trained, own);
    }
  }

  async #evaluate(steps: number): Promise<Evaluation> {
    const { models, heldOut, config, onEvent, signal } = this.#options;
    const when = steps === 0 ? "before the first iteration" : `after iteration ${steps}`;
    const asking = { ...this.#settings, place: `in the evaluation ${when}`, signal };
    const asked = heldOut.slice(0, config.evaluationPrompts);
    const { judged } = await rollOut(models, asked, { ...asking, step: evaluationStep });
    refuseNonNumbers(judged, asking.place);
    const groups = groupsOf(judged);
    const logprobs = await models.policy.read(groups);
    const refLogprobs = await models.policy.read(groups, models.reference);
    const kls = logprobs.map(
      (own, i) => klEstimates({ logprobs: own, refLogprobs: refLogprobs[i] ?? [] }).k3,
    );
    const scores = judged.map(({ score }) => score);
    const heldOutScore = mean(scores);
    if (steps === 0) await this.#readBestOfN(heldOutScore, asking);
    for (const { prompt, text } of judged.slice(0, followedPrompts)) {
      const asked = prompt.messages.at(-1)?.content ?? "";
      onEvent({ type: "sample", step: steps, prompt: asked, response: text, source: prompt.source });
    }
    this.#state.lastHeldOut = heldOutScore;
    if (steps === 0) this.#state.referenceScores = scores;
    const ofReference = this.#state.referenceScores;
    const heldOutWin = ofReference === null ? undefined : shareAbove(scores, ofReference);
    return { heldOutScore, heldOutKl: mean(kls), heldOutWin };
  }

  /**
   * What the reference would score if it had several tries at each prompt. As many responses as an iteration has at most, and
   * so to few prompts: what the best gain over the mean there is added to what all held-out prompts score.
   */
  async #readBestOfN(heldOutScore: number, asking: Omit<Parameters<typeof rollOut>[2], "step">) {
    const { models, heldOut, config, onEvent } = this.#options;
    const { bestOfSamples: count, episodesPerIteration, evaluationPrompts } = config;
    if (count === null) return;
    const most = Math.max(1, Math.floor(episodesPerIteration / count));
    const asked = heldOut.slice(0, Math.min(evaluationPrompts, most));
    const several = asked.flatMap((prompt) => Array.from({ length: count }, () => prompt));
    const { judged } = await rollOut(models, several, { ...asking, step: bestOfStep });
    refuseNonNumbers(judged, asking.place);
    const candidates = asked.map((_, i) =>
      judged.slice(i * count, (i + 1) * count).map(({ score }) => ({ score, value: score })),
    );
    const base = heldOutScore - bestOfN(candidates, 1);
    const points = bestOfSizes(count).map((n) => ({ n, score: base + bestOfN(candidates, n) }));
    this.#state.bestOfN = points;
    onEvent({ type: "bestOfN", points: points.map((point) => ({ ...point, kl: bestOfNKl(point.n) })) });
  }
}

/** Of scores beside each other; equal ones count half. */
function shareAbove(scores: readonly number[], others: readonly number[]): number {
  const compared = scores.map((score, i) => Math.sign(score - (others[i] ?? Number.NaN)));
  return mean(compared.map((sign) => (sign + 1) / 2));
}

/**
 * Whatever is learned from them would be none either.
 * @throws PausedError
 */
function refuseNonNumbers(responses: readonly (Judged & Partial<TokenReadings>)[], place: string): void {
  const none = new Float32Array();
  for (const { parts, values = none, logprobs = none, refLogprobs = none, prompt } of responses) {
    const read = { "the value function": values, "the policy": logprobs, "the reference": refLogprobs };
    const sources = [
      ...Object.entries(parts).flatMap(([name, score]) =>
        Number.isFinite(score) ? [] : `the part ${name} of the score`,
      ),
      ...Object.entries(read).flatMap(([name, numbers]) => (numbers.every(Number.isFinite) ? [] : name)),
    ];
    if (sources.length > 0)
      throw new PausedError(
        `What ${sources.join(" and ")} said of a response to ${prompt.source.file}:${prompt.source.line} is no number. The run is saved and paused ${place}, and nothing was learned from it. Look at that model; the same command asks it again.`,
      );
  }
}

/** Two optimizers kept as one: the moments of both, and the first one's count. */
function joined(first: OptimizerState, second: OptimizerState): OptimizerState {
  const others = [...second.moments].map(([name, moments]) => [`${valuePrefix}${name}`, moments] as const);
  const moments = new Map([...first.moments, ...others]);
  return {
    moments,
    get stepCount() {
      return first.stepCount;
    },
    set stepCount(count) {
      first.stepCount = count;
    },
  };
}

function scaleHead(trained: Trained, factor: number): void {
  for (const [name, { values }] of trained)
    if (name.endsWith(`${scoreHead}.weight`))
      for (const [i, weight] of values.entries()) values[i] = factor * weight;
}
