import type { PpoConfig } from "../ppo-config";
import type { TrainingStep } from "../take-step";
import type { Trained } from "../training-state";
import type { AskOptions } from "./endpoint";
import {
  creditOf,
  type Episode,
  groupsOf,
  type Judged,
  type PpoPrompt,
  type Rollout,
  toEpisode,
  whitenAdvantages,
} from "./episodes";
import type { GroupedLearner, UpdateOutcome } from "./grouped-learner";
import {
  episodeMetrics,
  mean,
  type PhaseSeconds,
  type PpoMetrics,
  partMeans,
  samplerGap,
  type UpdateMetrics,
} from "./metrics";
import type { Rollouts, SampledResponse } from "./rollouts";
import type { ScoreParts } from "./score-parts";
import {
  minibatchesOf,
  type PolicyColumn,
  policyTargets,
  type Texts,
  textTargets,
  type ValueColumn,
  valueTargets,
} from "./update-targets";
import { valueBias as valueBiasName } from "./value-graph";
import { fitValues } from "./value-start";

/** All that an iteration computes with. */
export type PpoModels = {
  policy: GroupedLearner<PolicyColumn>;
  value: GroupedLearner<ValueColumn>;
  /** The policy's trained weights as they were at the start of the run. */
  reference: Trained;
  rollouts: Pick<Rollouts, "sample">;
  scoring: Pick<ScoreParts, "judge">;
  /** A response's tokens as people read them. */
  spell(tokens: readonly number[]): string;
};

export type IterationSettings = Pick<
  PpoConfig,
  | "seed"
  | "responseTokens"
  | "minibatches"
  | "innerEpochs"
  | "responsesPerPrompt"
  | "criticWarmup"
  | "gamma"
  | "lambda"
  | "whiten"
  | "mostApproxKl"
  | "scoreClip"
  | "unfinishedScore"
  | "scoreShift"
  | "scoreScale"
  | "warmupSteps"
> & { lr: number; valueLr: number };

/** What one iteration hands to the next. */
export type PpoState = {
  beta: number;
  /** Added to every score; null: not known before the first response that counts. */
  shift: number | null;
  /** Of all scores so far: their number, mean, and sum of squared distances from it. */
  scores: { count: number; mean: number; squares: number };
  /** Added to what the value function's head gives; null: it is to be fitted to the first returns. */
  valueBias: number | null;
};

/** Samples and scores; nothing changes. @throws EndpointError, or what the signal gives */
export async function rollOut(
  { rollouts, scoring, spell }: Pick<PpoModels, "rollouts" | "scoring" | "spell">,
  prompts: readonly PpoPrompt[],
  {
    seed,
    responseTokens,
    step,
    ...asking
  }: { seed: number; responseTokens: number; step: number } & AskOptions,
): Promise<{ judged: Judged[]; seconds: Pick<PhaseSeconds, "generation" | "scoring"> }> {
  const startedAt = performance.now();
  const places = prompts.map((_, sample) => ({ step, sample }));
  const settings = { seed, maxTokens: responseTokens, signal: asking.signal };
  const responses = await rollouts.sample(
    prompts.map(({ tokens }) => tokens),
    places,
    settings,
  );
  const sampledAt = performance.now();
  const judged = await scoring.judge(responses.map(asRollout(prompts, spell)), asking);
  const seconds = {
    generation: (sampledAt - startedAt) / 1000,
    scoring: (performance.now() - sampledAt) / 1000,
  };
  return { judged, seconds };
}

const asRollout =
  (prompts: readonly PpoPrompt[], spell: PpoModels["spell"]) =>
  (response: SampledResponse, i: number): Rollout => {
    const { tokens, isEnded } = response;
    const prompt = prompts[i];
    if (prompt === undefined) throw new Error("There are more responses than prompts");
    return { ...response, prompt, text: spell(isEnded ? tokens.slice(0, -1) : tokens) };
  };

/** What the models say of the responses before anything is learned from them. */
export async function readEpisodes(
  { policy, value, reference }: Pick<PpoModels, "policy" | "value" | "reference">,
  judged: readonly Judged[],
  state: PpoState,
  settings: IterationSettings,
): Promise<{
  episodes: Episode[];
  state: PpoState;
  /** What the head is to be multiplied by before it learns: `values` have it already. */
  headScale: number;
  seconds: Pick<PhaseSeconds, "reference" | "value" | "update">;
}> {
  const groups = groupsOf(judged);
  const at = [performance.now()];
  const logprobs = await policy.read(groups);
  at.push(performance.now());
  const refLogprobs = await policy.read(groups, reference);
  at.push(performance.now());
  const values = await value.read(groups);
  at.push(performance.now());
  const next = withScores(state, judged, settings);
  const scale = settings.scoreScale ? deviationOf(next.scores) : 1;
  const credits = judged.map((each) => creditOf(each, { shift: next.shift ?? 0, scale }, settings));
  const { gamma, lambda } = settings;
  const readings = judged.map((_, i) => ({
    logprobs: logprobs[i] ?? new Float32Array(),
    refLogprobs: refLogprobs[i] ?? new Float32Array(),
    values: values[i] ?? new Float32Array(),
    credit: credits[i] ?? Number.NaN,
    beta: state.beta,
  }));
  const fit = state.valueBias === null ? fitValues(readings, gamma) : null;
  if (fit)
    for (const { values: own } of readings)
      for (const [t, v] of own.entries()) own[t] = fit.scale * v + fit.shift;
  const raw = judged.map((each, i) => {
    const { credit, beta, ...ofTokens } = readings[i] ?? missing();
    return toEpisode(each, ofTokens, { credit, beta, gamma, lambda });
  });
  const episodes = settings.whiten ? whitenAdvantages(raw) : raw;
  const seconds = (from: number) => ((at[from + 1] ?? 0) - (at[from] ?? 0)) / 1000;
  // The head's product is scaled, and what was added to it before goes along.
  const valueBias = fit ? fit.scale * value.constant(valueBiasName) + fit.shift : state.valueBias;
  return {
    episodes,
    state: { ...next, valueBias },
    headScale: fit?.scale ?? 1,
    seconds: { update: seconds(0), reference: seconds(1), value: seconds(2) },
  };
}

/** Welford's running mean and variance, over responses that ended where others get a score of their own. */
function withScores(
  state: PpoState,
  judged: readonly Judged[],
  { scoreShift, unfinishedScore }: IterationSettings,
): PpoState {
  const counted = judged.filter(({ isEnded }) => isEnded || unfinishedScore === null);
  const scores = { ...state.scores };
  for (const { score } of counted) {
    scores.count++;
    const before = score - scores.mean;
    scores.mean += before / scores.count;
    scores.squares += before * (score - scores.mean);
  }
  const first = counted.length > 0 ? -mean(counted.map(({ score }) => score)) : null;
  const shift = scoreShift === "none" ? 0 : (state.shift ?? first);
  return { ...state, scores, shift };
}

function missing(): never {
  throw new Error("A response was not read");
}

const deviationOf = ({ count, squares }: PpoState["scores"]) =>
  count < 2 ? 1 : Math.sqrt(squares / count) || 1;

/** All updates of an iteration: first the policy's, then the value function's, which do not meet. */
export async function update(
  { policy, value }: Pick<PpoModels, "policy" | "value">,
  episodes: readonly Episode[],
  step: TrainingStep,
  { texts, ...settings }: IterationSettings & { texts: Texts | null },
): Promise<{
  metrics: UpdateMetrics;
  firstRatioGap: number;
  applied: boolean;
  seconds: { policy: number; value: number };
}> {
  const batches = minibatchesOf(episodes, step.step, settings);
  const share = step.lr / settings.lr;
  const startedAt = performance.now();
  const ofPolicy: UpdateOutcome[] = [];
  const isWarm = step.step >= settings.criticWarmup;
  for (const batch of isWarm ? batches : []) {
    const targets = [policyTargets(batch), ...textTargets(texts, batch.length)];
    const accepts = ({ approxKl = 0 }: Record<string, number>) =>
      settings.mostApproxKl === null || approxKl <= settings.mostApproxKl;
    const outcome = await policy.step(targets, { lr: step.lr, accepts });
    ofPolicy.push(outcome);
    const isTooFar = !outcome.applied && Number.isFinite(outcome.gradientNorm);
    if (isTooFar) break;
  }
  // One of the two holds the memory of a batch at a time.
  await policy.rest();
  const policyAt = performance.now();
  const ofValue: UpdateOutcome[] = [];
  for (const batch of batches)
    ofValue.push(await value.step([valueTargets(batch)], { lr: settings.valueLr * share }));
  await value.rest();
  // What is no number was left out, and is counted as such.
  const meanOf = (numbers: readonly number[]) => mean(numbers.filter(Number.isFinite));
  const loss = (of: readonly UpdateOutcome[], name: string) =>
    meanOf(of.map(({ losses }) => losses[name] ?? 0));
  const norm = (of: readonly UpdateOutcome[]) => meanOf(of.map(({ gradientNorm }) => gradientNorm));
  return {
    metrics: {
      pgLoss: loss(ofPolicy, "pgLoss"),
      vfLoss: loss(ofValue, "vfLoss"),
      approxKl: loss(ofPolicy, "approxKl"),
      clipFrac: loss(ofPolicy, "clipFrac"),
      valueClipFrac: loss(ofValue, "clipFrac"),
      policyGradientNorm: norm(ofPolicy),
      valueGradientNorm: norm(ofValue),
      skippedUpdates: [...ofPolicy, ...ofValue].filter(({ applied }) => !applied).length,
      ...(texts && { textLoss: loss(ofPolicy, "textLoss") / texts.coefficient }),
    },
    firstRatioGap: ofPolicy[0]?.losses.ratioGap ?? 0,
    applied: [...ofPolicy, ...ofValue].some(({ applied }) => applied),
    seconds: { policy: (policyAt - startedAt) / 1000, value: (performance.now() - policyAt) / 1000 },
  };
}

/** What is charted of an iteration; the parts of the score by `part.<name>`, where there are several. */
export function describeIteration(
  episodes: readonly Episode[],
  { state, firstRatioGap }: { state: PpoState; firstRatioGap: number },
): PpoMetrics & Record<string, number> {
  const parts = Object.entries(partMeans(episodes));
  const gaps = episodes.map(({ logprobs, samplerLogprobs }) => ({
    sampler: samplerLogprobs,
    trainer: logprobs,
  }));
  return {
    ...episodeMetrics(episodes),
    ...samplerGap(gaps),
    beta: state.beta,
    firstRatioGap,
    ...(parts.length > 1 && Object.fromEntries(parts.map(([name, value]) => [`part.${name}`, value]))),
  };
}
