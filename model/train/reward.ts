/** @file Reward modelling: rankings in, a checkpoint out that scores responses as people ranked them. */
import { availableParallelism } from "node:os";
import path from "node:path";
import { adapterWeightsFile } from "../checkpoint/adapter-config";
import type { Checkpoint } from "../checkpoint/checkpoint";
import type { CheckpointFacts } from "../checkpoint/checkpoint-writer";
import { ensembleFile } from "../checkpoint/ensemble";
import { rewardTensors } from "../checkpoint/expected-tensors";
import { openSafetensors } from "../checkpoint/safetensors-reader";
import { heldOutPrompts, type RankedExample, weighPairs } from "../data/ranked-examples";
import { readDemonstrations } from "../data/read-demonstrations";
import type { LineProblem } from "../data/read-lines";
import { type RankedRow, readRankedData } from "../data/read-ranked-data";
import { type RenderedGroup, renderGroup, UnfitTemplateError } from "../data/render-group";
import { scoreHeadName } from "../nn/reward-model";
import { permutation } from "../random/permutation";
import { ChatTemplateError } from "../tokenizer/chat-template";
import { type ConversationMessage, PromptTooLongError } from "../tokenizer/render-conversation";
import { chooseLora } from "./choose-lora";
import { drawForMembers } from "./ensemble-heads";
import { randomHead, solvedHead } from "./initial-head";
import { joinedSha256 } from "./joined-sha256";
import { openBase, UnfitBaseError } from "./open-base";
import type { RewardConfig } from "./reward-config";
import { type PreparedRow, type RunReportInput, reportOnRun } from "./reward-run-report";
import { type ExampleScores, type RewardEvaluation, RewardTrainer } from "./reward-trainer";
import { ConfigError } from "./run-config";
import { claimRunFolder } from "./run-folder";
import {
  findResumable,
  type LoopSettings,
  type Objective,
  type RunEvent,
  type RunSummary,
  runLoop,
  type StageOptions,
  stepOver,
} from "./run-loop";
import { checkpointFacts } from "./save-checkpoint";
import { unusedToken, writeRewardModel } from "./save-reward-model";
import { linkBase, loadWeights } from "./train-language-model";
import { type DataEvent, listProblems, refuseIf, UnfitDataError } from "./unfit-data";

export type RewardEvent = RunEvent | DataEvent;
export type RewardSummary = RunSummary & {
  stage: "reward";
  /** Prompts. */
  training: number;
  validation: number;
  leftOut: number;
  /** Over all rankings trained on and held out. */
  pairs: number;
  ties: number;
  /** Prompts of which all responses are tied: they teach nothing and are left out. */
  tiedPrompts: number;
  /** Responses whose end was cut. */
  cutResponses: number;
};

/** @throws UnfitDataError, DataFileError, RunFolderError, UnfitBaseError, UnknownTargetError, ConfigError, DivergedError */
export async function runReward(
  config: RewardConfig,
  { onEvent, signal, onSaved, facts, basePlaces }: StageOptions<RewardEvent>,
): Promise<RewardSummary> {
  // 1. The base: its tokenizer, its chat template, its context.
  using opened = await openBase(config.model, { basePlaces });
  const base = keepLayers(opened, config.layers);
  const { contextLength } = base.config;
  const longestTokens = config.longestTokens ?? Math.min(1024, contextLength);
  if (longestTokens > contextLength)
    throw new ConfigError(
      `longestTokens: ${longestTokens} is more than the model's context of ${contextLength}`,
    );
  unusedToken(base);
  const lora = chooseLora(config.lora, base);

  // 2. Rankings as tokens and pairs; what is unfit is named by file and line.
  const read = await readRankedData(config.data, signal);
  refuseIf(config.onBadLine === "refuse", read.problems);
  const { examples, unfit, counts } = toExamples(base, read.rows, { ...config, longestTokens });
  const long = unfit.filter(({ isLong }) => isLong);
  refuseIf(config.onLongResponse === "refuse", long);
  refuseIf(
    config.onBadLine === "refuse",
    unfit.filter(({ isLong }) => !isLong),
  );
  const leftOut: LineProblem[] = [...read.problems, ...unfit];
  if (examples.length === 0) throw nothingPreferred(read.rows.length, counts, leftOut);

  // 3. Prompts held out, a user's together, the same for the same seed.
  const records = examples.map(({ row }) => row.record);
  const heldOut = heldOutPrompts(records, { seed: config.seed, share: config.validationShare });
  const validation = examples.filter((_, at) => heldOut.has(at));
  const training = examples.filter((_, at) => !heldOut.has(at));
  const reference = await readReference(base, config, longestTokens);
  onEvent({ type: "data", training: training.length, validation: validation.length, leftOut });
  for (const note of notesOf(config, counts)) onEvent({ type: "note", ...note });

  // 4. The run.
  const threads = config.threads ?? Math.min(8, availableParallelism());
  const lr = config.lr ?? (lora === null ? 9e-6 : 2e-4);
  const headLrFactor = config.headLrFactor ?? (config.headStart === "solved" ? 1 : 15);
  const settings = { ...config, stage: "reward", longestTokens, threads, lora, lr, headLrFactor } as const;
  const ownSha256 = joinedSha256([read.sha256, ...(reference ? [reference.sha256] : [])]);
  const datasetSha256 = facts?.datasetSha256 ?? ownSha256;
  const runOf = { stage: "reward", settings, datasetSha256, base: base.id } as const;
  using _folder = await claimRunFolder(config.output, runOf);
  const summary = await trainReward(settings, {
    base,
    training,
    validation,
    demonstrations: reference?.examples ?? [],
    onEvent,
    signal,
    onSaved,
    facts: checkpointFacts({
      name: config.name,
      stage: "reward",
      run: facts?.run ?? null,
      datasetSha256,
      base,
      lora,
      threads,
    }),
  });
  return {
    ...summary,
    stage: "reward",
    training: training.length,
    validation: validation.length,
    leftOut: leftOut.length,
    ...counts,
  };
}

/** The same checkpoint, read no further than asked: the last norm and the head follow that layer. */
function keepLayers(base: Checkpoint, layers: number | null): Checkpoint {
  const { layerCount } = base.config;
  if (layers !== null && layers > layerCount)
    throw new ConfigError(`layers: ${layers} are more than the ${layerCount} of ${base.manifest.name}`);
  return { ...base, config: { ...base.config, layerCount: layers ?? layerCount } };
}

type RewardSettings = LoopSettings &
  Pick<
    RewardConfig,
    | "headStart"
    | "ensemble"
    | "probePrompts"
    | "promptsPerBatch"
    | "tokensPerBatch"
    | "dropout"
    | "recompute"
    | "seed"
    | "epochs"
  > & { lora: ReturnType<typeof chooseLora>; longestTokens: number; headLrFactor: number };

type RewardInput = Pick<StageOptions<RewardEvent>, "onEvent" | "signal" | "onSaved"> & {
  base: Checkpoint;
  training: readonly PreparedRow[];
  validation: readonly PreparedRow[];
  /** Score 0 on average in the end; empty: the responses held out do, or the first ones trained on. */
  demonstrations: readonly RankedExample[];
  facts: CheckpointFacts;
};

/** Responses that the mean is taken over where none are held out. */
const referencePrompts = 64;

async function trainReward(settings: RewardSettings, input: RewardInput): Promise<RunSummary> {
  const { base, facts, signal } = input;
  const { seed, lora, epochs, promptsPerBatch, ensemble: members } = settings;
  const training = drawForMembers(
    input.training.map(({ example }) => example),
    { seed, members },
  );
  const validation = input.validation.map(({ example }) => example);
  const { hiddenSize } = base.config;
  // 1. The order of the data is known before anything is computed.
  const orders = Array.from({ length: epochs }, (_, epoch) => permutation(seed, epoch, training.length));
  const stepsPerEpoch = Math.ceil(training.length / promptsPerBatch);
  const examplesOf = (step: number) => {
    const from = (step % stepsPerEpoch) * promptsPerBatch;
    const order = orders[Math.floor(step / stepsPerEpoch)] ?? [];
    return [...order.slice(from, from + promptsPerBatch)].flatMap((at) => training[at] ?? []);
  };

  // 2. Weights: the base's with a new head, or where an interrupted run of the same configuration stands.
  const found = await findResumable(settings, { datasetSha256: facts.datasetSha256, parent: base.id });
  const resumeFrom = found.resumable?.folder ?? null;
  if (lora !== null) await linkBase(settings.output, base);
  const headName = scoreHeadName(lora);
  const shapes = new Map(rewardTensors(base.config));
  shapes.delete("score.weight");
  const { trained: weights, frozen } = await loadWeights(base, settings, { resumeFrom, shapes });
  const head = { values: new Float32Array(members * hiddenSize), shape: [members, hiddenSize] };
  const trained = new Map([...weights, [headName, head]]);
  await using trainer = new RewardTrainer({
    ...settings,
    config: base.config,
    trained,
    frozen,
    adamW: settings,
    dropout: { rate: settings.dropout, seed },
    members,
  });
  if (resumeFrom === null) {
    const states = async function* (of: readonly RankedExample[]) {
      for await (const { read } of trainer.forward(of, signal)) yield read;
    };
    head.values.set(
      settings.headStart === "random"
        ? randomHead({ seed, hiddenSize, members })
        : await solveFirst(
            { seed, hiddenSize, members, training, hiddenStates: states, signal },
            input.onEvent,
          ),
    );
  } else head.values.set(readHead(resumeFrom, { isAdapter: lora !== null, members, name: headName }));

  // 3. The run; each checkpoint says by its bias where 0 lies.
  let latest: { optimizerSteps: number; evaluation: RewardEvaluation } | null = null;
  const evaluate = async () => {
    const evaluation = await trainer.evaluate(validation);
    latest = { optimizerSteps: trainer.optimizer.stepCount, evaluation };
    return { validationLoss: evaluation.validationLoss, pairAccuracy: evaluation.pairAccuracy };
  };
  const heldOutScores = async () =>
    latest?.optimizerSteps === trainer.optimizer.stepCount
      ? latest.evaluation.scored
      : scoresOf(trainer, validation);
  const referenceScores = async (ofHeldOut: ExampleScores[]) => {
    if (input.demonstrations.length > 0) return scoresOf(trainer, input.demonstrations);
    if (validation.length === 0) return scoresOf(trainer, training.slice(0, referencePrompts));
    return ofHeldOut;
  };
  const scoreTexts: RunReportInput["scoreTexts"] = async (prompt, responses) => {
    const group = renderGroup(base, prompt, responses, settings.longestTokens);
    const [scored] = await scoresOf(trainer, [{ ...group, pairs: [], ties: 0, comparisons: 0 }]);
    return group.responses.map(({ length }, at) => ({
      score: scored?.scores[at] ?? Number.NaN,
      tokens: length,
    }));
  };
  const objective: Objective = {
    totalSteps: epochs * stepsPerEpoch,
    epochOf: (step) => Math.floor(step / stepsPerEpoch),
    advance: stepOver(trainer, (step) => trainer.batchesOf(examplesOf(step))),
    learner: trainer,
    evaluate: validation.length === 0 ? null : evaluate,
    writeWeights: async (folder) => {
      const scored = await heldOutScores();
      const reference = await referenceScores(scored);
      const scoreBias = -mean(reference.flatMap(({ scores }) => [...scores]));
      const memberBiases = members === 1 ? null : biasesOf(reference, members);
      const { probePrompts } = settings;
      const { training: trainedOn, validation: heldOut } = input;
      const measured = { training: trainedOn, heldOut, scored, scoreBias, memberBiases };
      // A run that is to stop saves at once; the checkpoint it ends with has its report.
      const isMeasured = validation.length > 0 && !signal?.aborted;
      const report = isMeasured ? await reportOnRun({ ...measured, scoreTexts, probePrompts, seed }) : null;
      await writeRewardModel(folder, {
        base,
        lora,
        trained,
        facts: { ...facts, scoreBias },
        memberBiases,
        report,
      });
    },
    sampling: null,
  };
  return await runLoop(settings, objective, { ...input, ...found, start: base.folder });
}

/** A pass over all of the data without a step: it says how far it is, and what it came to. */
async function solveFirst(
  input: Parameters<typeof solvedHead>[0],
  onEvent: (event: RewardEvent) => void,
): Promise<Float32Array> {
  const startedAt = performance.now();
  const note = (text: string) => onEvent({ type: "note", level: "info", text });
  note(`The score head is solved first, on the states of ${input.training.length} prompts.`);
  let said = startedAt;
  const onProgress = (done: number) => {
    if (performance.now() - said < noteEveryMs) return;
    said = performance.now();
    note(`States of ${done} of ${input.training.length} prompts.`);
  };
  const { heads, strength, tried } = await solvedHead({ ...input, onProgress });
  const best = tried.find((each) => each.strength === strength);
  const figures = best
    ? ` It orders ${(100 * best.accuracy).toFixed(1)} % of the pairs of prompts held out in turn as people did (loss ${best.loss.toFixed(3)}).`
    : "";
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const members = input.members > 1 ? ` Each of ${input.members} members is solved on its own draw.` : "";
  note(`Solved in ${seconds} s, with a penalty of ${strength}.${figures}${members}`);
  return heads;
}

const noteEveryMs = 30_000;

async function scoresOf(
  trainer: RewardTrainer,
  examples: readonly RankedExample[],
): Promise<ExampleScores[]> {
  const all: ExampleScores[] = [];
  for await (const { scores, memberScores } of trainer.forward(examples)) all.push({ scores, memberScores });
  return all;
}

function mean(scores: readonly number[]): number {
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/** (members) each puts 0 where the mean of all has it. */
function biasesOf(reference: readonly ExampleScores[], members: number): Float32Array {
  return Float32Array.from({ length: members }, (_, member) =>
    mean(
      reference.flatMap(({ memberScores }) =>
        [...(memberScores ?? [])].filter((_score, at) => at % members === member),
      ),
    ),
  ).map((score) => -score);
}

type StoredHead = { isAdapter: boolean; members: number; name: string };

function readHead(folder: string, { isAdapter, members, name }: StoredHead): Float32Array {
  const weightsFile = isAdapter ? adapterWeightsFile : "model.safetensors";
  using tensors = openSafetensors([path.join(folder, members === 1 ? weightsFile : ensembleFile)]);
  return tensors.read(members === 1 ? name : "score.weight");
}

type Counts = Pick<RewardSummary, "pairs" | "ties" | "tiedPrompts" | "cutResponses">;
type Unfit = LineProblem & { isLong: boolean };
type Prepared = Pick<RewardConfig, "onConflict" | "onLongResponse"> & { longestTokens: number };

function toExamples(base: Checkpoint, rows: readonly RankedRow[], settings: Prepared) {
  const examples: PreparedRow[] = [];
  const unfit: Unfit[] = [];
  const counts: Counts = { pairs: 0, ties: 0, tiedPrompts: 0, cutResponses: 0 };
  for (const row of rows) {
    const { record, file, line } = row;
    if (record.rankings.length === 0) {
      unfit.push({ file, line, reason: "has no ranking", isLong: false });
      continue;
    }
    const weighed = weighPairs(record, settings.onConflict);
    counts.ties += weighed.ties;
    if (weighed.pairs.length === 0) {
      counts.tiedPrompts++;
      continue;
    }
    // A response that nobody ranked is in no pair, and would be computed for nothing.
    const ranked = [...new Set(weighed.pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]))];
    ranked.sort((a, b) => a - b);
    const texts = ranked.map((place) => record.responses[place]?.text ?? "");
    const group = renderOrExplain(base, record.prompt, texts, settings.longestTokens);
    if ("reason" in group) {
      unfit.push({ file, line, reason: group.reason, isLong: true });
      continue;
    }
    const cut = group.cutTokens.filter((tokens) => tokens > 0).length;
    if (cut > 0 && settings.onLongResponse !== "cut") {
      const reason = `has ${cut} of ${texts.length} responses that do not fit beside the prompt in ${settings.longestTokens} tokens (longestTokens)`;
      unfit.push({ file, line, reason, isLong: true });
      continue;
    }
    counts.cutResponses += cut;
    counts.pairs += weighed.comparisons;
    const pairs = weighed.pairs.map(({ chosen, rejected, weight }) => {
      return { chosen: ranked.indexOf(chosen), rejected: ranked.indexOf(rejected), weight };
    });
    const { prompt, responses } = group;
    examples.push({ row, example: { ...weighed, prompt, responses, pairs }, places: ranked });
  }
  return { examples, unfit, counts };
}

/** @throws UnfitBaseError where the chat template is at fault, and so every row would be */
function renderOrExplain(
  base: Checkpoint,
  prompt: readonly ConversationMessage[],
  responses: readonly string[],
  longest: number,
): RenderedGroup | { reason: string } {
  try {
    return renderGroup(base, prompt, responses, longest);
  } catch (error) {
    if (error instanceof PromptTooLongError) return { reason: error.message };
    if (error instanceof ChatTemplateError) return { reason: `cannot be rendered: ${error.message}` };
    if (error instanceof UnfitTemplateError)
      throw new UnfitBaseError(`${base.folder}: ${error.message} Start from a model made for chat.`, {
        cause: error,
      });
    throw error;
  }
}

/** Demonstrations that are read; more would not move their mean. */
const mostDemonstrations = 256;

/** @throws UnfitDataError where there are files of demonstrations with none in them */
async function readReference(
  base: Checkpoint,
  { demonstrations: files, onBadLine }: RewardConfig,
  longest: number,
) {
  if (files === null) return null;
  const { demonstrations, problems, sha256 } = await readDemonstrations(files);
  refuseIf(onBadLine === "refuse", problems);
  const examples = demonstrations.slice(0, mostDemonstrations).flatMap(({ messages }): RankedExample[] => {
    const last = messages.at(-1)?.content ?? "";
    const group = renderOrExplain(base, messages.slice(0, -1), [last], longest);
    return "reason" in group ? [] : [{ ...group, pairs: [], ties: 0, comparisons: 0 }];
  });
  if (examples.length === 0)
    throw new UnfitDataError(`demonstrations: there is none to score.\n${listProblems(problems)}`);
  return { examples, sha256 };
}

function nothingPreferred(
  rows: number,
  { ties, tiedPrompts }: Counts,
  leftOut: readonly LineProblem[],
): UnfitDataError {
  const facts =
    tiedPrompts > 0
      ? `all responses of ${tiedPrompts} of ${rows} prompts are tied (${ties} pairs)`
      : `none of ${rows} prompts can be used`;
  const problems = leftOut.length > 0 ? `\n${listProblems(leftOut)}` : "";
  return new UnfitDataError(
    `There is no pair of responses of which one is preferred: ${facts}. A reward model learns from such pairs alone: take rankings with fewer ties.${problems}`,
  );
}

function notesOf(
  { epochs }: RewardConfig,
  { pairs, ties, tiedPrompts, cutResponses }: Counts,
): { level: "info" | "warn"; text: string }[] {
  const tied = tiedPrompts > 0 ? ` ${tiedPrompts} prompts are tied throughout and left out.` : "";
  const notes: { level: "info" | "warn"; text: string }[] = [
    { level: "info", text: `${pairs} pairs with a preference; ${ties} tied ones count for nothing.${tied}` },
  ];
  if (cutResponses > 0)
    notes.push({
      level: "warn",
      text: `The end of ${cutResponses} responses is cut; their scores are read at the last token kept.`,
    });
  if (epochs > 1)
    notes.push({
      level: "warn",
      text: `${epochs} epochs: a reward model usually overfits after one. Watch the validation loss; the checkpoint with the lowest is kept.`,
    });
  return notes;
}
