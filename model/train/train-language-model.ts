/** @file The run that pretraining and SFT share: steps in a known order, evaluation, checkpoints, and going on after a kill. */
import { createHash } from "node:crypto";
import { mkdir, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { adapterWeightsFile } from "../checkpoint/adapter-config";
import type { Checkpoint } from "../checkpoint/checkpoint";
import type { CheckpointFacts } from "../checkpoint/checkpoint-writer";
import { expectedTensors } from "../checkpoint/expected-tensors";
import { baseFolderName } from "../checkpoint/lineage-base";
import { openSafetensors } from "../checkpoint/safetensors-reader";
import type { Example } from "../data/packing";
import type { LoraShape } from "../nn/trained-weights";
import type { TrainedParameter } from "../optim/adamw";
import { learningRateShare } from "../optim/schedule";
import { CompleteWeights } from "./complete-weights";
import { DataOrder, evaluationBatches } from "./data-order";
import { createLora } from "./lora";
import { isSpike, withLoss } from "./loss-spikes";
import { checkpointFolder, isThere, lastState, removeOldCheckpoints } from "./run-checkpoints";
import { settingsWithoutPaths } from "./run-folder";
import { type SamplePrompt, type SampleSource, sampleText } from "./sample-text";
import { saveCheckpoint } from "./save-checkpoint";
import { Speed } from "./speed";
import { Trainer } from "./trainer";
import { restoreOptimizer, type TrainingState } from "./training-state";

export type RunSettings = {
  stage: "pretrain" | "sft";
  output: string;
  seed: number;
  epochs: number;
  rowLength: number;
  rowsPerBatch: number;
  batchesPerStep: number;
  lr: number;
  schedule: "constant" | "cosine";
  warmupSteps: number;
  finalShare: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  maxGradientNorm: number | null;
  dropout: number;
  recompute: boolean;
  spikeFactor: number | null;
  evaluateEverySteps: number | null;
  saveEverySteps: number | null;
  sampleTokens: number;
  sampleTemperature: number;
  threads: number;
  lora: LoraShape | null;
};

/** What a run tells while it goes. Steps count from 0, as in the training state; losses are nats per counted token. */
export type RunEvent =
  | { type: "resumed"; step: number }
  | {
      type: "step";
      step: number;
      totalSteps: number;
      loss: number;
      lr: number;
      /** Before clipping. */
      gradientNorm: number;
      tokensPerSecond: number;
      secondsLeft: number;
      epoch: number;
      /** By all applied steps of the run so far, padding left out. */
      tokensSeen: number;
      /** Resident memory of this process, in MiB. */
      memoryMb: number;
      /** Where the step's time went: passes forward and backward, optimizer. */
      seconds: { gradient: number; update: number };
    }
  /** Not applied: loss or gradient was not finite, or the loss is far above those before. */
  | { type: "skipped"; step: number; loss: number; reason: SkipReason }
  | { type: "evaluated"; step: number; validationLoss: number }
  /** What the model says at this step. */
  | { type: "sample"; step: number; prompt: string; response: string; source: SampleSource | null }
  /** A part of the work besides the steps, and how long it took. */
  | { type: "phase"; step: number; name: "evaluate" | "save" | "sample"; seconds: number }
  | { type: "saved"; step: number; folder: string; isBest: boolean };

export type SkipReason = "nonFinite" | "spike";

export type RunSummary = {
  steps: number;
  totalSteps: number;
  /** Of the model it started from, and of `checkpoint`; null where nothing is held out. */
  validationLossBefore: number | null;
  validationLoss: number | null;
  /** What the model it started from says to the sample prompts, and what the checkpoint says. */
  samples: { prompt: string; before: string; after: string }[];
  /** Checkpoint folder with the lowest validation loss, or the last one where nothing is held out. */
  checkpoint: string;
  finished: boolean;
};

/** Three steps in a row were left out; the weights are those from before them, and are saved. */
export class DivergedError extends Error {
  override readonly name = "DivergedError";
  constructor(lastStep: number, reason: SkipReason) {
    const fact =
      reason === "spike" ? "a loss far above those before" : "a loss or gradient that is not finite";
    super(
      `Paused: steps ${lastStep - 1} to ${lastStep + 1} were left out, the last for ${fact}. The checkpoint from before ` +
        "them is saved. Look at the data of these steps; the same command goes on behind them. If it pauses again, " +
        "start another run with a lower lr.",
    );
  }
}

const skipsBeforePause = 3;

/** Steps left out right before the next one, since the run last paused. */
function skipsInARow({ skippedSteps, step }: TrainingState): number {
  let skips = 0;
  while (skippedSteps.includes(step - 1 - skips)) skips++;
  return skips % skipsBeforePause;
}

/** Whose run it is, where a server keeps count: every checkpoint's manifest says so. */
export type RunFacts = { run: string; datasetSha256: string };

export type StageOptions<Event> = {
  onEvent: (event: Event) => void;
  /** Aborting saves a checkpoint and ends; the same call goes on from there. */
  signal?: AbortSignal | undefined;
  /** Left out: no server's, and the data are told by the sha256 of their files. */
  facts?: RunFacts | undefined;
  /** Where the base of the adapter it starts from may lie; see `openCheckpoint`. */
  basePlaces?: readonly string[] | undefined;
  /** Waited for after each save; until it resolves the folder stays. */
  onSaved?: ((saved: SavedCheckpoint) => Promise<void>) | undefined;
};

export type SavedCheckpoint = { step: number; folder: string; isBest: boolean };

export type RunInput = Omit<StageOptions<RunEvent>, "facts" | "basePlaces"> & {
  base: Checkpoint;
  training: readonly Example[];
  validation: readonly Example[];
  /** Further examples, of which each epoch draws so many that they are `share` of its tokens. */
  mix?: { examples: readonly Example[]; share: number } | null;
  samplePrompts: readonly SamplePrompt[];
  facts: CheckpointFacts;
};

/** Long, in numbered steps: this is the script of a run. */
export async function trainLanguageModel(settings: RunSettings, input: RunInput): Promise<RunSummary> {
  const { base, facts, onEvent, signal } = input;
  const { seed, lora, rowLength, rowsPerBatch, threads } = settings;
  const checkpoints = path.join(settings.output, "checkpoints");
  await mkdir(checkpoints, { recursive: true });
  if (lora !== null) await linkBase(settings.output, base);

  // 1. The order of the data is known before anything is computed.
  const order = new DataOrder(input.training, { ...settings, length: rowLength, mix: input.mix ?? null });
  const validation = evaluationBatches(input.validation, rowLength, rowsPerBatch);
  const { totalSteps } = order;
  const mostTargets = Math.max(order.mostTargets, ...validation.map(({ countedTokens }) => countedTokens));
  const evaluateEvery = settings.evaluateEverySteps ?? Math.max(1, Math.ceil(totalSteps / 10));
  const saveEvery = settings.saveEverySteps ?? evaluateEvery;

  // 2. Weights: the base's, or where an interrupted run of the same configuration stands.
  const configSha256 = createHash("sha256")
    .update(
      JSON.stringify({ ...settingsWithoutPaths(settings), dataset: facts.datasetSha256, parent: base.id }),
    )
    .digest("hex");
  const resumable = await lastState(checkpoints, configSha256);
  const { trained, frozen } = await loadWeights(base, settings, resumable?.folder ?? null);
  await using trainer = new Trainer({
    config: base.config,
    trained,
    frozen,
    lora,
    shape: { rows: rowsPerBatch, length: rowLength, targets: mostTargets },
    adamW: settings,
    threads,
    recompute: settings.recompute,
    dropout: { rate: settings.dropout, seed },
  });
  const state: TrainingState = resumable?.state ?? {
    formatVersion: 1,
    stage: settings.stage,
    step: 0,
    epoch: 0,
    skippedSteps: [],
    optimizerSteps: 0,
    tokensSeen: 0,
    recentLosses: [],
    validationLossBefore: null,
    validationLoss: null,
    seed,
    configSha256,
    threads,
    best: null,
  };
  if (resumable) {
    restoreOptimizer(path.join(resumable.folder, "state"), state, trainer.optimizer);
    onEvent({ type: "resumed", step: state.step });
  }

  const folderOf = (step: number) => checkpointFolder(checkpoints, step);
  const timed = async (name: Extract<RunEvent, { type: "phase" }>["name"], work: () => Promise<void>) => {
    const startedAt = performance.now();
    await work();
    onEvent({ type: "phase", step: state.step, name, seconds: (performance.now() - startedAt) / 1000 });
  };
  const writeState = async () => {
    const folder = folderOf(state.step);
    state.optimizerSteps = trainer.optimizer.stepCount;
    state.epoch = state.step < totalSteps ? order.place(state.step).epoch : settings.epochs;
    await saveCheckpoint(folder, { base, trainer, facts, state });
    await removeOldCheckpoints(checkpoints, [state.step, state.best?.step ?? state.step]);
  };
  let savedStep = resumable?.state.step ?? null;
  const save = async () => {
    await timed("save", writeState);
    savedStep = state.step;
    const saved = { step: state.step, folder: folderOf(state.step), isBest: state.best?.step === state.step };
    onEvent({ type: "saved", ...saved });
    await input.onSaved?.(saved);
  };
  const respond = (from: string) => {
    if (settings.sampleTokens === 0 || input.samplePrompts.length === 0) return Promise.resolve([]);
    const { sampleTokens: tokens, sampleTemperature: temperature, output: scratchFolder } = settings;
    const basePlaces = [base.lineageBase.folder];
    const options = { tokens, temperature, seed, threads, scratchFolder, basePlaces };
    return sampleText(from, input.samplePrompts, options);
  };
  /** By folder, so that no checkpoint is asked twice. */
  const responses = new Map<string, Promise<string[]>>();
  const responsesOf = (from: string) => {
    const known = responses.get(from) ?? respond(from);
    responses.set(from, known);
    return known;
  };
  const askPrompts = async () => {
    // Before the first step the checkpoint says what the base says.
    const folder = state.step === 0 ? base.folder : folderOf(state.step);
    for (const [i, response] of (await responsesOf(folder)).entries()) {
      const { text: prompt = "", source = null } = input.samplePrompts[i] ?? {};
      onEvent({ type: "sample", step: state.step, prompt, response, source });
    }
  };
  const sample = () => timed("sample", askPrompts);
  const measure = async () => {
    const validationLoss = await trainer.evaluate(validation);
    const isNumber = Number.isFinite(validationLoss);
    if (isNumber && validationLoss < (state.best?.validationLoss ?? Number.POSITIVE_INFINITY))
      state.best = { step: state.step, validationLoss };
    state.validationLoss = isNumber ? validationLoss : null;
    onEvent({ type: "evaluated", step: state.step, validationLoss });
  };
  const evaluate = async () => {
    if (validation.length > 0) await timed("evaluate", measure);
  };

  // 3. Where it starts from, as a baseline; the first checkpoint is then already something to go back to.
  if (!resumable) {
    await evaluate();
    state.validationLossBefore = state.validationLoss;
    await save();
    await sample();
  }
  const schedule = {
    shape: settings.schedule,
    warmupSteps: settings.warmupSteps,
    finalShare: settings.finalShare,
  };
  const speed = new Speed();

  // 4. The steps.
  let isSampleDue = false;
  const isAborted = () => signal?.aborted === true;
  while (state.step < totalSteps && !isAborted()) {
    const step = state.step;
    const batches = order.batches(step);
    const lr = settings.lr * learningRateShare(schedule, step, totalSteps);
    if (batches.length > 0 && !state.skippedSteps.includes(step)) {
      const accepts = (loss: number) =>
        Number.isFinite(loss) && !isSpike(loss, state.recentLosses, settings.spikeFactor);
      const { loss, gradientNorm, applied, seconds } = await trainer.step(batches, { step, lr, accepts });
      if (applied) {
        const tokens = batches.reduce((sum, { realTokens }) => sum + realTokens, 0);
        state.tokensSeen += tokens;
        state.recentLosses = withLoss(state.recentLosses, loss);
        onEvent({
          type: "step",
          step,
          totalSteps,
          loss,
          lr,
          gradientNorm,
          tokensPerSecond: speed.add(tokens),
          secondsLeft: (totalSteps - step - 1) * speed.secondsPerStep,
          epoch: order.place(step).epoch,
          tokensSeen: state.tokensSeen,
          memoryMb: process.memoryUsage.rss() / 2 ** 20,
          seconds,
        });
      } else {
        const reason = [loss, gradientNorm].every(Number.isFinite) ? "spike" : "nonFinite";
        state.skippedSteps.push(step);
        onEvent({ type: "skipped", step, loss, reason });
        if (skipsInARow({ ...state, step: step + 1 }) === 0) {
          state.step++;
          await save();
          throw new DivergedError(step, reason);
        }
      }
    }
    state.step++;
    const isLast = state.step === totalSteps;
    if (isLast || state.step % evaluateEvery === 0) {
      await evaluate();
      isSampleDue = true;
    }
    // The best so far is always saved: it is what the run will have been for.
    if (isLast || state.best?.step === state.step || state.step % saveEvery === 0) {
      await save();
      // Text comes from a checkpoint, so it waits for the next one.
      if (isSampleDue && !isAborted()) await sample();
      isSampleDue = false;
    }
    // Lets signals and timers in: a run of the graph blocks this thread.
    await new Promise((resolve) => setImmediate(resolve));
  }

  // The signal may have come at any await; the steps since the last save are kept in any case.
  if (savedStep !== state.step) await save();

  const best = state.best?.step ?? state.step;
  const kept = (await isThere(folderOf(best))) ? best : state.step;
  const finished = state.step >= totalSteps;
  const [before, after] = finished
    ? [await responsesOf(base.folder), await responsesOf(folderOf(kept))]
    : [[], []];
  return {
    steps: state.step,
    totalSteps,
    validationLossBefore: state.validationLossBefore,
    validationLoss: kept === state.best?.step ? state.best.validationLoss : state.validationLoss,
    samples: after.map((response, i) => ({
      prompt: input.samplePrompts[i]?.text ?? "",
      before: before[i] ?? "",
      after: response,
    })),
    checkpoint: folderOf(kept),
    finished,
  };
}

/** Checkpoints of adapters find their lineage's base beside them, wherever it lies. A link costs nothing and tells where. */
async function linkBase(output: string, { lineageBase }: Checkpoint): Promise<void> {
  const link = path.join(output, baseFolderName);
  await rm(link, { recursive: true, force: true });
  // A junction on Windows, where links need rights that junctions do not; elsewhere the word means nothing.
  await symlink(path.resolve(lineageBase.folder), link, "junction");
}

/**
 * Arrays of their own, in single precision. With an adapter the base stays as it is, and the adapter is where an interrupted
 * run stands, or a copy of the start's, or a new one.
 */
async function loadWeights(base: Checkpoint, { lora, seed }: RunSettings, resumeFrom: string | null) {
  const shapes = [...expectedTensors(base.config)];
  if (lora === null) {
    const trained = new Map<string, TrainedParameter>();
    await using complete = await CompleteWeights.open(base);
    using resumed =
      resumeFrom === null ? null : openSafetensors([path.join(resumeFrom, "model.safetensors")]);
    for (const [name, shape] of shapes) {
      trained.set(name, { values: resumed?.read(name) ?? (await complete.read(name)), shape });
    }
    return { trained, frozen: new Map<string, Float32Array>() };
  }
  const trained = createLora(base.config, lora, seed);
  const start = resumeFrom ?? (base.adapter && base.folder);
  if (start !== null) {
    using adapter = openSafetensors([await findAdapterWeights(start)]);
    for (const [name, { values }] of trained) values.set(adapter.read(name));
  }
  return { trained, frozen: new Map(shapes.map(([name]) => [name, base.tensors.read(name)])) };
}

/** Runs of an earlier version, which may be gone on with, kept the adapter in a folder of its own. */
async function findAdapterWeights(folder: string): Promise<string> {
  const file = path.join(folder, adapterWeightsFile);
  return (await isThere(file)) ? file : path.join(folder, "adapter", adapterWeightsFile);
}
