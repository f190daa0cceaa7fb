/** @file Reward modelling: rankings in, a checkpoint out that scores responses as people ranked them. */
import { availableParallelism } from "node:os";
import path from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { heldOutPrompts } from "../data/ranked-examples";
import type { LineProblem } from "../data/read-lines";
import { readRankedData } from "../data/read-ranked-data";
import { readRewardTrials } from "../eval/reward/read-report";
import type { FoldsReport, LearningCurve } from "../eval/reward/trials";
import { chooseLora } from "./choose-lora";
import { joinedSha256 } from "./joined-sha256";
import { openBase } from "./open-base";
import { notesOf, nothingPreferred, type RankingCounts, readReference, toExamples } from "./ranked-rows";
import type { RewardConfig } from "./reward-config";
import { type FoldScores, type FoldTrainer, reportOnFolds, trainFolds } from "./reward-folds";
import type { ExampleScores } from "./reward-trainer";
import { ConfigError } from "./run-config";
import { claimRunFolder } from "./run-folder";
import { findResumable, type RunEvent, type RunSummary, type StageOptions } from "./run-loop";
import { checkpointFacts } from "./save-checkpoint";
import { unusedToken } from "./save-reward-model";
import {
  every,
  noteEveryMs,
  openTrainer,
  type RewardSettings,
  scoresOf,
  solveFirst,
  trainReward,
} from "./train-reward";
import { type DataEvent, refuseIf } from "./unfit-data";

export type RewardEvent = RunEvent | DataEvent;
export type RewardSummary = RunSummary &
  RankingCounts & {
    stage: "reward";
    /** Prompts. */
    training: number;
    validation: number;
    leftOut: number;
    /** null where none were asked for. */
    folds: FoldsReport | null;
    learningCurve: LearningCurve | null;
  };

type Options = StageOptions<RewardEvent>;

/** @throws UnfitDataError, DataFileError, RunFolderError, UnfitBaseError, UnknownTargetError, ConfigError, DivergedError */
export async function runReward(config: RewardConfig, options: Options): Promise<RewardSummary> {
  using opened = await openBase(config.model, { basePlaces: options.basePlaces });
  const prepared = await prepareRun(opened, config, options);
  const { base, settings, runOf, training, validation, reference, facts, leftOut, counts } = prepared;
  const folds = planFolds(prepared);
  using _folder = await claimRunFolder(config.output, runOf);
  const found = await findResumable(settings, { datasetSha256: facts.datasetSha256, parent: base.id });
  const kept = found.resumable && (await readRewardTrials(found.resumable.folder));
  const trials = found.resumable
    ? kept
    : { folds: folds && reportOnFolds(await folds.train(options), settings) };
  const summary = await trainReward(settings, {
    ...options,
    base,
    found,
    training,
    validation,
    demonstrations: reference?.examples ?? [],
    facts,
    trials,
  });
  const told = await readRewardTrials(summary.checkpoint);
  return {
    ...summary,
    stage: "reward",
    training: training.length,
    validation: validation.length,
    leftOut: leftOut.length,
    ...counts,
    folds: told?.folds ?? null,
    learningCurve: told?.learningCurve ?? null,
  };
}

/**
 * What a run of this configuration would say about the number of prompts, without the run.
 * @throws as `runReward`, and ConfigError where there are too few prompts or none is held out
 */
export async function measureLearningCurve(config: RewardConfig, options: Options): Promise<LearningCurve> {
  using opened = await openBase(config.model, { basePlaces: options.basePlaces });
  const { base, settings, training, validation } = await prepareRun(opened, config, options);
  await using trainer = await openTrainer(base, { ...settings, ensemble: 1 }, null);
  const drawn = training.map(({ example }) => example);
  const input = { ...options, settings: { ...settings, ensemble: 1, learningCurve: true } };
  const { curve } = await solveFirst(trainer, { ...input, training, validation, drawn });
  if (curve) return curve;
  throw new ConfigError(
    `validationShare: of ${training.length + validation.length} prompts ${validation.length} are held out. A learning curve needs some, and at least sixteen to train on.`,
  );
}

/**
 * The folds of a configuration alone, without the run; what was done before in the same folder is not done again.
 * @param most folds to train; the others are left out
 * @throws as `runReward`
 */
export async function measureFolds(
  config: RewardConfig & { folds: number },
  { most, ...options }: Options & { most?: number },
): Promise<FoldScores[]> {
  using opened = await openBase(config.model, { basePlaces: options.basePlaces });
  const prepared = await prepareRun(opened, config, options);
  const folds = planFolds(prepared);
  using _folder = await claimRunFolder(config.output, prepared.runOf);
  return (await folds?.train(options, most)) ?? [];
}

type PreparedRun = Awaited<ReturnType<typeof prepareRun>>;

/** All that can be refused is refused here, before time is spent. */
async function prepareRun(opened: Checkpoint, config: RewardConfig, { onEvent, signal, facts }: Options) {
  // 1. The base: its tokenizer, its chat template, its context.
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

  // 4. The settings with what follows from the base.
  const threads = config.threads ?? Math.min(8, availableParallelism());
  const lr = config.lr ?? (lora === null ? 9e-6 : 2e-4);
  const headLrFactor = config.headLrFactor ?? (config.headStart === "solved" ? 1 : 15);
  const settings = { ...config, stage: "reward", longestTokens, threads, lora, lr, headLrFactor } as const;
  const ownSha256 = joinedSha256([read.sha256, ...(reference ? [reference.sha256] : [])]);
  const datasetSha256 = facts?.datasetSha256 ?? ownSha256;
  return {
    base,
    settings,
    /** Whose the run's folder is. */
    runOf: { stage: "reward", settings, datasetSha256, base: base.id } as const,
    examples,
    training,
    validation,
    reference,
    leftOut,
    counts,
    facts: checkpointFacts({
      name: config.name,
      stage: "reward",
      run: facts?.run ?? null,
      datasetSha256,
      base,
      lora,
      threads,
    }),
  };
}

/** The same checkpoint, read no further than asked: the last norm and the head follow that layer. */
function keepLayers(base: Checkpoint, layers: number | null): Checkpoint {
  const { layerCount } = base.config;
  if (layers !== null && layers > layerCount)
    throw new ConfigError(`layers: ${layers} are more than the ${layerCount} of ${base.manifest.name}`);
  return { ...base, config: { ...base.config, layerCount: layers ?? layerCount } };
}

/**
 * Each fold is a training with the run's own settings, nothing held out of it.
 * @returns null where none are asked for
 * @throws ConfigError where the data do not make so many
 */
function planFolds({ base, settings, examples, facts }: PreparedRun) {
  const { folds, foldsBy, seed } = settings;
  if (folds === null) return null;
  const rows = examples.map(({ row }) => row);
  const output = path.join(settings.output, foldsFolder);
  const planned = trainFolds(rows, { folds, by: foldsBy, seed, folder: output });
  return {
    train: ({ onEvent, signal }: Options, most?: number) =>
      planned({
        say: (text) => onEvent({ type: "note", level: "info", text }),
        most,
        trainer: {
          prepare: (of) => toExamples(base, of, settings).examples,
          train: ({ folder, ...fold }) =>
            trainFold({ ...settings, output: folder, learningCurve: false }, fold, { onEvent, signal }),
        },
      }),
  };

  async function trainFold(
    of: RewardSettings,
    { name, training, heldOut }: Omit<Parameters<FoldTrainer["train"]>[0], "folder">,
    { onEvent, signal }: Pick<Options, "onEvent" | "signal">,
  ): Promise<ExampleScores[]> {
    const scores: ExampleScores[] = [];
    const sayNow = every(noteEveryMs);
    await trainReward(of, {
      base,
      found: await findResumable(of, { datasetSha256: facts.datasetSha256, parent: base.id }),
      training,
      validation: [],
      demonstrations: [],
      facts,
      trials: null,
      signal,
      onEvent: (event) => {
        if (event.type !== "step") return;
        const text = `${name}: step ${event.step + 1} of ${event.totalSteps}.`;
        sayNow(() => onEvent({ type: "note", level: "info", text }));
      },
      onTrained: async (trainer) => {
        const judged = heldOut.map(({ example }) => example);
        scores.push(...(await scoresOf(trainer, judged, signal)));
      },
    });
    // Stopped: the fold's own checkpoint is where the same command goes on.
    signal?.throwIfAborted();
    return scores;
  }
}

/** In the run's folder. */
const foldsFolder = "folds";
