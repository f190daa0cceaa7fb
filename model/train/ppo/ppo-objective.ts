/** @file PPO as a run's loop sees it: a step is an iteration, and what it has to know to go on is kept with each checkpoint. */
import { z } from "zod";
import { permutation } from "../../random/permutation";
import type { PpoConfig } from "../ppo-config";
import type { Evaluation, Objective, RunEvent, StepReport } from "../run-loop";
import type { TrainingStep } from "../take-step";
import type { OptimizerState, StageState, Trained } from "../training-state";
import type { DataEvent } from "../unfit-data";
import type { Episode, PpoPrompt } from "./episodes";
import { brokenGuard, type GuardRule } from "./guard-rails";
import {
  describeIteration,
  type IterationSettings,
  type PpoModels,
  policyTargets,
  readEpisodes,
  rollOut,
  type Texts,
  textTargets,
  update,
} from "./iteration";
import { adaptedBeta, klEstimates } from "./kl-penalty";
import { mean } from "./metrics";

/** One response with all that was known of it, for people to read. */
export type ShownEpisode = {
  prompt: string;
  /** Where the prompt was read. */
  source: PpoPrompt["source"];
  response: string;
  score: number;
  parts: Record<string, number>;
  reward: number;
  kl: number;
  isEnded: boolean;
  /** Of each token: its text, log p - log p of the reference, and the value before it. */
  tokens: { text: string; kl: number; value: number }[];
};

export type PpoEvent =
  | RunEvent
  | DataEvent
  /** What is charted of an iteration; its number counts from 0, as that of a step. */
  | { type: "iteration"; step: number; metrics: Record<string, number>; seconds: Record<string, number> }
  | { type: "episodes"; step: number; episodes: ShownEpisode[] };

const watchedSchema = z.object({
  klK3: z.number(),
  entropy: z.number(),
  responseTokens: z.number(),
  endedShare: z.number(),
  repetition: z.number(),
  firstRatioGap: z.number(),
});

const stateSchema = z.object({
  beta: z.number(),
  shift: z.number().nullable(),
  scores: z.object({ count: z.int(), mean: z.number(), squares: z.number() }),
  valueSteps: z.int(),
  ptxCoefficient: z.number().nullable(),
  first: watchedSchema.nullable(),
  /** Mean scores of the iterations, and what watches them; the newest last. */
  scored: z.array(z.number()),
  judged: z.array(z.number().nullable()),
  accepted: z.record(z.string(), z.number()),
});
type State = z.infer<typeof stateSchema>;

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
/** So that every evaluation draws the same, and no iteration does. */
const evaluationStep = 2 ** 32 - 1;
const valuePrefix = "value.";
const policyPrefix = "policy.";

export class PpoObjective implements Objective {
  readonly totalSteps: number;
  readonly learner: { optimizer: OptimizerState; trained: Trained };
  readonly stage: { state: StageState; hidden: Trained };
  readonly evaluate: (() => Promise<Evaluation>) | null;
  readonly sampling = null;
  readonly #options: PpoObjectiveOptions;
  readonly #settings: IterationSettings;
  /** Running mean of the policy; null: checkpoints hold the policy itself. */
  readonly #averaged: Trained | null;
  #state: State;
  #lastHeldOut: number | null = null;
  /** Iterations done. */
  #done = 0;

  constructor(options: PpoObjectiveOptions) {
    const { config, models, heldOut, resumed } = options;
    this.#options = options;
    this.#settings = config;
    this.totalSteps = config.iterations;
    this.#state = stateSchema.parse(resumed ?? newState(config));
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
    this.evaluate = heldOut.length === 0 ? null : () => this.#evaluate();
  }

  epochOf(step: number): number {
    const { episodesPerIteration } = this.#options.config;
    return Math.floor((step * episodesPerIteration) / this.#options.training.length);
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
    this.#done = step + 1;
    // 1. Responses, their scores, and what the models say of them.
    const { judged, seconds: sampling } = await rollOut(models, this.#promptsOf(step), {
      ...this.#settings,
      step,
      signal,
    });
    const {
      episodes,
      state,
      seconds: reading,
    } = await readEpisodes(models, judged, this.#state, this.#settings);
    signal?.throwIfAborted();
    // 2. From here on weights change.
    const texts = await this.#textsOf(step, episodes);
    const { metrics, firstRatioGap, applied, seconds } = await update(models, episodes, at, {
      ...this.#settings,
      texts,
    });
    if (this.#averaged && config.ema !== null) moveTowards(this.#averaged, models.policy.trained, config.ema);
    const described = { ...describeIteration(episodes, { state, firstRatioGap }), ...metrics };
    const phases = { ...sampling, ...reading, update: reading.update + seconds.policy + seconds.value };
    onEvent({ type: "iteration", step, metrics: described, seconds: phases });
    onEvent({ type: "episodes", step, episodes: this.#show(episodes) });
    // 3. What the next iteration has to know, and whether there should be one.
    this.#keep({ ...state, beta: this.#nextBeta(described.klK3, episodes.length) }, described);
    const broken = brokenGuard(described, this.#history(), config.guards);
    if (broken) this.#state.accepted[broken.rule] = broken.severity;
    const tokens = judged.reduce((sum, each) => sum + each.tokens.length, 0);
    return {
      loss: metrics.pgLoss + config.valueCoefficient * metrics.vfLoss,
      gradientNorm: metrics.policyGradientNorm || metrics.valueGradientNorm,
      applied,
      tokens,
      seconds: {},
      pause: broken?.error,
    };
  }

  #promptsOf(step: number): PpoPrompt[] {
    const { config, training } = this.#options;
    const count = config.episodesPerIteration;
    return Array.from({ length: count }, (_, i) => pick(training, step * count + i, config.seed));
  }

  async #textsOf(step: number, episodes: readonly Episode[]): Promise<Texts | null> {
    const { config, texts, models } = this.#options;
    if (texts === null || config.ptx === null || step < config.criticWarmup) return null;
    const { perEpisode } = config.ptx;
    const perIteration = Math.round(perEpisode * config.episodesPerIteration * config.innerEpochs);
    let taken = step * perIteration;
    const next = (count: number) =>
      Array.from({ length: Math.round(perEpisode * count) }, () => pick(texts, taken++, config.seed));
    if (this.#state.ptxCoefficient === null) {
      const [some, least] = [episodes.slice(0, Math.ceil(episodes.length / config.minibatches)), 1e-12];
      const ofPpo = await models.policy.gradientNorm([policyTargets(some)]);
      const ofText = await models.policy.gradientNorm(textTargets({ next, coefficient: 1 }, some.length));
      taken = step * perIteration;
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

  #keep(next: Pick<State, "beta" | "shift" | "scores">, metrics: Record<string, number>): void {
    const { config, models } = this.#options;
    const watched = config.judge === null ? this.#lastHeldOut : (metrics[`part.${config.judge}`] ?? null);
    this.#lastHeldOut = null;
    const keptScores = config.guards.flatJudge ?? 0;
    const tail = <T>(all: readonly T[]) => (keptScores === 0 ? [] : all.slice(-keptScores));
    Object.assign(this.#state, {
      beta: next.beta,
      shift: next.shift,
      scores: next.scores,
      valueSteps: models.value.optimizer.stepCount,
      first: this.#state.first ?? watchedSchema.parse(metrics),
      scored: tail([...this.#state.scored, metrics.score ?? 0]),
      judged: tail([...this.#state.judged, watched]),
    });
  }

  #history() {
    const { first, scored, judged, accepted } = this.#state;
    return { first, scores: scored, judged, accepted: accepted as Partial<Record<GuardRule, number>> };
  }

  async #evaluate(): Promise<Evaluation> {
    const { models, heldOut, config, onEvent } = this.#options;
    const asked = heldOut.slice(0, config.evaluationPrompts);
    const { judged } = await rollOut(models, asked, { ...this.#settings, step: evaluationStep });
    const groups = judged.map(({ prompt, tokens }) => ({ prompt: prompt.tokens, responses: [tokens] }));
    const logprobs = await models.policy.read(groups);
    const refLogprobs = await models.policy.read(groups, models.reference);
    const kls = logprobs.map(
      (own, i) => klEstimates({ logprobs: own, refLogprobs: refLogprobs[i] ?? [] }).k3,
    );
    for (const { prompt, text } of judged.slice(0, followedPrompts)) {
      const asked = prompt.messages.at(-1)?.content ?? "";
      onEvent({ type: "sample", step: this.#done, prompt: asked, response: text, source: prompt.source });
    }
    this.#lastHeldOut = mean(judged.map(({ score }) => score));
    return { heldOutScore: this.#lastHeldOut, heldOutKl: mean(kls) };
  }

  /** Spread evenly over the iteration's rewards, the best and the worst included. */
  #show(episodes: readonly Episode[]): ShownEpisode[] {
    const { config, models } = this.#options;
    const sorted = episodes.toSorted((a, b) => rewardOf(b) - rewardOf(a));
    const count = Math.min(config.keepEpisodes, sorted.length);
    const last = Math.max(1, count - 1);
    return Array.from(
      { length: count },
      (_, i) => sorted[Math.round((i * (sorted.length - 1)) / last)],
    ).flatMap((episode) => (episode ? [shown(episode, models.spell)] : []));
  }
}

const rewardOf = ({ rewards }: Episode) => rewards.reduce((sum, reward) => sum + reward, 0);

function shown(episode: Episode, spell: PpoModels["spell"]): ShownEpisode {
  const { prompt, text, score, parts, kl, isEnded, logprobs, refLogprobs, values } = episode;
  const tokens = episode.tokens.map((token, t) => ({
    text: spell([token]),
    kl: (logprobs[t] ?? 0) - (refLogprobs[t] ?? 0),
    value: values[t] ?? 0,
  }));
  const asked = prompt.messages.at(-1)?.content ?? "";
  return {
    prompt: asked,
    source: prompt.source,
    response: text,
    score,
    parts,
    reward: rewardOf(episode),
    kl: kl.k3,
    isEnded,
    tokens,
  };
}

function newState({ beta, ptx }: PpoConfig): State {
  return {
    beta,
    shift: null,
    scores: { count: 0, mean: 0, squares: 0 },
    valueSteps: 0,
    ptxCoefficient: ptx?.coefficient ?? null,
    first: null,
    scored: [],
    judged: [],
    accepted: {},
  };
}

/** The n-th of an endless row: all of the items in an order of the seed's, then all of them in another one. */
function pick<T>(items: readonly T[], n: number, seed: number): T {
  const epoch = Math.floor(n / items.length);
  const order = orderOf(seed, epoch, items.length);
  const item = items[order[n % items.length] ?? 0];
  if (item === undefined) throw new RangeError("There is nothing to pick from");
  return item;
}

/** The same few are asked for again and again. */
const orders = new Map<string, Uint32Array>();
function orderOf(seed: number, epoch: number, size: number): Uint32Array {
  const key = `${seed} ${epoch} ${size}`;
  const known = orders.get(key) ?? permutation(seed, epoch, size);
  if (orders.size > 16) orders.clear();
  orders.set(key, known);
  return known;
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

/** The same arrays by other names. */
function prefixed(trained: Trained, prefix: string): Trained {
  return new Map([...trained].map(([name, parameter]) => [`${prefix}${name}`, parameter]));
}

export function copyOf(trained: Trained): Trained {
  return new Map([...trained].map(([name, { values, shape }]) => [name, { values: values.slice(), shape }]));
}

/** mean <- decay mean + (1 - decay) now */
function moveTowards(averaged: Trained, now: Trained, decay: number): void {
  for (const [name, { values }] of averaged) {
    const to = now.get(name)?.values ?? values;
    for (let i = 0; i < values.length; i++) values[i] = decay * (values[i] ?? 0) + (1 - decay) * (to[i] ?? 0);
  }
}
