/** @file The run that all stages share: steps in a known order, evaluation, checkpoints, and going on after a kill. */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { AdamWOptions, TrainedParameter } from "../optim/adamw";
import { learningRateShare } from "../optim/schedule";
import { isSpike, withLoss } from "./loss-spikes";
import { checkpointFolder, isThere, lastState, removeOldCheckpoints } from "./run-checkpoints";
import { settingsWithoutPaths } from "./run-folder";
import type { SamplePrompt, SampleSource } from "./sample-text";
import { saveCheckpoint } from "./save-checkpoint";
import { Speed } from "./speed";
import type { Learner, TrainingStep, TrainingStepOutcome } from "./take-step";
import { restoreOptimizer, type StageState, type TrainingState } from "./training-state";

/** Those the loop itself reads; a stage has more. */
export type LoopSettings = Omit<AdamWOptions, "lrFactors"> & {
  stage: TrainingState["stage"];
  output: string;
  seed: number;
  epochs: number;
  lr: number;
  schedule: "constant" | "cosine";
  warmupSteps: number;
  finalShare: number;
  spikeFactor: number | null;
  evaluateEverySteps: number | null;
  saveEverySteps: number | null;
  threads: number;
};

/** Measured on what is held out; each stage has its own. */
export type Evaluation = {
  /** Nats per counted token, or per prompt. */
  validationLoss?: number | undefined;
  /** Of a reward model: the share of untied pairs that it orders as people did. */
  pairAccuracy?: number | undefined;
  /** Of a policy under PPO: the mean score of its responses, and how far it is from its reference, in nats a response. */
  heldOutScore?: number | undefined;
  heldOutKl?: number | undefined;
  /** Share of its responses that score above those of its reference to the same prompts; equal ones count half. */
  heldOutWin?: number | undefined;
};

/** Of what is trained, all that differs from stage to stage. */
export type Objective = {
  totalSteps: number;
  /** Which epoch a step is of, from 0. */
  epochOf(step: number): number;
  /**
   * One step, which changes what is trained; null where nothing of it counts.
   * @throws PausedError before anything has changed, or what the signal it was aborted by gives
   */
  advance(step: TrainingStep): Promise<StepReport | null>;
  learner: Pick<Learner<never>, "optimizer" | "trained">;
  /**
   * Null: nothing is held out. @param steps done
   * @throws PausedError, or what the signal it was aborted by gives: it is measured again when the run goes on
   */
  evaluate: ((steps: number) => Promise<Evaluation>) | null;
  /** The best checkpoint has most of it; left out: the lowest validation loss is best. */
  merit?(evaluation: Evaluation): number;
  /** Writes what was learned into a new folder. */
  writeWeights(folder: string): Promise<void>;
  /** What else a run has to know to go on; left out: nothing. */
  stage?: {
    state: StageState;
    /** Trained too, but in no file of the checkpoint. */
    hidden: ReadonlyMap<string, TrainedParameter>;
  };
  /** Asked as it learns; null: it does not answer. */
  sampling: { prompts: readonly SamplePrompt[]; respond(folder: string): Promise<string[]> } | null;
};

export type StepReport = Omit<TrainingStepOutcome, "seconds"> & {
  tokens: number;
  /** Empty where the stage itself tells where its time went. */
  seconds: Partial<TrainingStepOutcome["seconds"]>;
  /** Why the run is to pause after this step; left out: it goes on. */
  pause?: PausedError | undefined;
};

/** The step of an objective whose batches are known beforehand. @param batches of a step, from 0 */
export function stepOver<B extends { realTokens: number }>(
  learner: Learner<B>,
  batches: (step: number) => readonly B[],
): Objective["advance"] {
  return async (step) => {
    const ofStep = batches(step.step);
    if (ofStep.length === 0) return null;
    const tokens = ofStep.reduce((sum, { realTokens }) => sum + realTokens, 0);
    return { ...(await learner.step(ofStep, step)), tokens };
  };
}

/** What a run tells while it goes. Steps count from 0, as in the training state; losses are nats per counted token. */
export type RunEvent =
  | { type: "resumed"; step: number }
  /** Something a person should know before the first step. */
  | { type: "note"; level: "info" | "warn"; text: string }
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
      seconds: Partial<TrainingStepOutcome["seconds"]>;
    }
  /** Not applied: loss or gradient was not finite, or the loss is far above those before. */
  | { type: "skipped"; step: number; loss: number; reason: SkipReason }
  | ({ type: "evaluated"; step: number } & Evaluation)
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
  /** The same of the other things that are measured, where the stage has them. */
  pairAccuracyBefore?: number;
  pairAccuracy?: number;
  heldOutScoreBefore?: number;
  heldOutScore?: number;
  heldOutKl?: number;
  heldOutWin?: number;
  /** What the model it started from says to the sample prompts, and what the checkpoint says. */
  samples: { prompt: string; before: string; after: string }[];
  /** Checkpoint folder with the lowest validation loss, or the last one where nothing is held out. */
  checkpoint: string;
  finished: boolean;
};

/** The run is saved and waits for people; the same command goes on. The message says why, and what to do. */
export class PausedError extends Error {
  override readonly name: string = "PausedError";
}

/** Three steps in a row were left out; the weights are those from before them, and are saved. */
export class DivergedError extends PausedError {
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

/** Of what it starts from. */
function keepAsBefore(state: TrainingState): void {
  state.validationLossBefore = state.validationLoss;
  if (state.pairAccuracy !== undefined) state.pairAccuracyBefore = state.pairAccuracy;
  if (state.heldOutScore !== undefined) state.heldOutScoreBefore = state.heldOutScore;
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

export type LoopInput = Pick<StageOptions<RunEvent>, "onEvent" | "signal" | "onSaved"> &
  Resumable & {
    /** Folder of the checkpoint it starts from. */
    start: string;
  };

export type Resumable = {
  /** Of all settings, the data and the base: another one is another run. */
  configSha256: string;
  /** Where an interrupted run of the same configuration stands; null: nowhere. */
  resumable: Awaited<ReturnType<typeof lastState>>;
};

const checkpointsOf = (output: string) => path.join(output, "checkpoints");

/** @param settings all of the stage's */
export async function findResumable(
  settings: LoopSettings,
  { datasetSha256, parent }: { datasetSha256: string | null; parent: string },
): Promise<Resumable> {
  const text = JSON.stringify({ ...settingsWithoutPaths(settings), dataset: datasetSha256, parent });
  const configSha256 = createHash("sha256").update(text).digest("hex");
  const checkpoints = checkpointsOf(settings.output);
  await mkdir(checkpoints, { recursive: true });
  return { configSha256, resumable: await lastState(checkpoints, configSha256) };
}

/** Long, in numbered steps: this is the script of a run. */
export async function runLoop(
  settings: LoopSettings,
  objective: Objective,
  { start, resumable, configSha256, onEvent, signal, onSaved }: LoopInput,
): Promise<RunSummary> {
  const { totalSteps, learner, sampling, stage = null } = objective;
  const merit = (evaluation: Evaluation) =>
    objective.merit ? objective.merit(evaluation) : -(evaluation.validationLoss ?? Number.NaN);
  const checkpoints = checkpointsOf(settings.output);
  const evaluateEvery = settings.evaluateEverySteps ?? Math.max(1, Math.ceil(totalSteps / 10));
  const saveEvery = settings.saveEverySteps ?? evaluateEvery;

  // 1. Where it stands.
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
    seed: settings.seed,
    configSha256,
    threads: settings.threads,
    best: null,
  };
  if (resumable) {
    restoreOptimizer(path.join(resumable.folder, "state"), state, learner.optimizer);
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
    state.optimizerSteps = learner.optimizer.stepCount;
    state.epoch = state.step < totalSteps ? objective.epochOf(state.step) : settings.epochs;
    if (stage) state.ofStage = stage.state;
    const writeWeights = (into: string) => objective.writeWeights(into);
    await saveCheckpoint(folder, { learner, state, writeWeights, hidden: stage?.hidden ?? null });
    await removeOldCheckpoints(checkpoints, [state.step, state.best?.step ?? state.step]);
  };
  let savedStep = resumable?.state.step ?? null;
  const save = async () => {
    await timed("save", writeState);
    savedStep = state.step;
    const saved = { step: state.step, folder: folderOf(state.step), isBest: state.best?.step === state.step };
    onEvent({ type: "saved", ...saved });
    await onSaved?.(saved);
  };
  /** By folder, so that no checkpoint is asked twice. */
  const responses = new Map<string, Promise<string[]>>();
  const responsesOf = (from: string) => {
    const known = responses.get(from) ?? sampling?.respond(from) ?? Promise.resolve([]);
    responses.set(from, known);
    return known;
  };
  const askPrompts = async () => {
    // Before the first step the checkpoint says what the base says.
    const folder = state.step === 0 ? start : folderOf(state.step);
    for (const [i, response] of (await responsesOf(folder)).entries()) {
      const { text: prompt = "", source = null } = sampling?.prompts[i] ?? {};
      onEvent({ type: "sample", step: state.step, prompt, response, source });
    }
  };
  const sample = async () => {
    if (sampling) await timed("sample", askPrompts);
  };
  const measure = async (held: NonNullable<typeof objective.evaluate>) => {
    const evaluation = await held(state.step);
    // Neither a number that is none nor, after it, a comparison with it is ever true.
    const isBetter =
      state.best === null ? Number.isFinite(merit(evaluation)) : merit(evaluation) > merit(state.best);
    if (isBetter) state.best = { step: state.step, ...evaluation };
    const { validationLoss = Number.NaN, ...others } = evaluation;
    Object.assign(state, {
      validationLoss: Number.isFinite(validationLoss) ? validationLoss : null,
      ...others,
    });
    onEvent({ type: "evaluated", step: state.step, ...evaluation });
  };
  const isAborted = () => signal?.aborted === true;
  /** @returns why it could not be measured; null: it was, or nothing is held out */
  const evaluate = async (): Promise<"aborted" | PausedError | null> => {
    const { evaluate: held } = objective;
    if (!held) return null;
    state.evaluationDue = true;
    try {
      await timed("evaluate", () => measure(held));
    } catch (error) {
      if (isAborted()) return "aborted";
      if (error instanceof PausedError) return error;
      throw error;
    }
    state.evaluationDue = undefined;
    return null;
  };
  let isSampleDue = false;
  /**
   * What comes after a step: it is measured and saved where that is due.
   * @param pause what the run is to pause for in any case
   * @throws PausedError with the step saved, its evaluation to be made up for
   */
  const settle = async ({ isMeasured, pause }: { isMeasured: boolean; pause?: PausedError | undefined }) => {
    if (isMeasured) {
      const failure = await evaluate();
      if (failure !== null && savedStep !== state.step) await save();
      if (failure === "aborted") return;
      if (failure !== null) throw pause ?? failure;
      if (state.step === 0) keepAsBefore(state);
      isSampleDue = true;
    }
    const isLast = state.step === totalSteps;
    // The best so far is always saved: it is what the run will have been for.
    if (isLast || state.best?.step === state.step || state.step % saveEvery === 0) {
      await save();
      // Text comes from a checkpoint, so it waits for the next one.
      if (isSampleDue && !isAborted()) await sample();
      isSampleDue = false;
    }
  };

  // 2. Where it starts from, as a baseline; the first checkpoint is then already something to go back to. Or what the run
  // was stopped in.
  if (!resumable || state.evaluationDue) await settle({ isMeasured: true });
  const schedule = {
    shape: settings.schedule,
    warmupSteps: settings.warmupSteps,
    finalShare: settings.finalShare,
  };
  const speed = new Speed();

  // 3. The steps.
  /** Of a step in which nothing has changed yet. */
  const giveUp = async (error: unknown) => {
    if (isAborted()) return "aborted" as const;
    if (error instanceof PausedError && savedStep !== state.step) await save();
    throw error;
  };
  while (state.step < totalSteps && !isAborted()) {
    const step = state.step;
    const lr = settings.lr * learningRateShare(schedule, step, totalSteps);
    const accepts = (loss: number) =>
      Number.isFinite(loss) && !isSpike(loss, state.recentLosses, settings.spikeFactor);
    const isSkipped = state.skippedSteps.includes(step);
    const report = isSkipped ? null : await objective.advance({ step, lr, accepts }).catch(giveUp);
    if (report === "aborted") break;
    if (report?.applied) {
      const { loss, gradientNorm, tokens, seconds } = report;
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
        epoch: objective.epochOf(step),
        tokensSeen: state.tokensSeen,
        memoryMb: process.memoryUsage.rss() / 2 ** 20,
        seconds,
      });
    } else if (report) {
      const { loss, gradientNorm } = report;
      const reason = [loss, gradientNorm].every(Number.isFinite) ? "spike" : "nonFinite";
      state.skippedSteps.push(step);
      onEvent({ type: "skipped", step, loss, reason });
      if (skipsInARow({ ...state, step: step + 1 }) === 0) {
        state.step++;
        await save();
        throw new DivergedError(step, reason);
      }
    }
    state.step++;
    const isMeasured = state.step === totalSteps || state.step % evaluateEvery === 0;
    await settle({ isMeasured, pause: report?.pause });
    if (report?.pause) {
      if (savedStep !== state.step) await save();
      throw report.pause;
    }
    // Lets signals and timers in: a run of the graph blocks this thread.
    await new Promise((resolve) => setImmediate(resolve));
  }

  // The signal may have come at any await; the steps since the last save are kept in any case.
  if (savedStep !== state.step) await save();

  const best = state.best?.step ?? state.step;
  const kept = (await isThere(folderOf(best))) ? best : state.step;
  const finished = state.step >= totalSteps && !state.evaluationDue;
  const [before, after] = finished ? [await responsesOf(start), await responsesOf(folderOf(kept))] : [[], []];
  const measured = kept === state.best?.step ? state.best : state;
  return {
    steps: state.step,
    totalSteps,
    validationLossBefore: state.validationLossBefore,
    validationLoss: measured.validationLoss ?? null,
    ...(state.pairAccuracyBefore !== undefined && { pairAccuracyBefore: state.pairAccuracyBefore }),
    ...(measured.pairAccuracy !== undefined && { pairAccuracy: measured.pairAccuracy }),
    ...(state.heldOutScoreBefore !== undefined && { heldOutScoreBefore: state.heldOutScoreBefore }),
    ...(measured.heldOutScore !== undefined && { heldOutScore: measured.heldOutScore }),
    ...(measured.heldOutKl !== undefined && { heldOutKl: measured.heldOutKl }),
    ...(measured.heldOutWin !== undefined && { heldOutWin: measured.heldOutWin }),
    samples: after.map((response, i) => ({
      prompt: sampling?.prompts[i]?.text ?? "",
      before: before[i] ?? "",
      after: response,
    })),
    checkpoint: folderOf(kept),
    finished,
  };
}
