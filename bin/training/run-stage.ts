/** @file The process that computes: one stage, told over IPC. Knows no server; its worker does the talking, so that it may block. */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { z } from "zod";
import { AdapterError } from "@/model/checkpoint/adapter-config";
import {
  CorruptFileError,
  DiskFullError,
  isDiskFull,
  NotAModelError,
  UnsupportedModelError,
} from "@/model/checkpoint/errors";
import { BaseMissingError } from "@/model/checkpoint/lineage-base";
import { NotARewardModelError, OtherTokenizerError } from "@/model/checkpoint/reward-weights";
import { DataFileError } from "@/model/data/read-lines";
import { evalConfigSchema } from "@/model/eval/eval-config";
import { evaluateCheckpoint } from "@/model/eval/evaluate";
import { SuiteError } from "@/model/eval/suites/suite";
import { VocabularyTooLargeError } from "@/model/tokenizer/train-tokenizer";
import { UnknownTargetError } from "@/model/train/lora";
import { UnfitBaseError } from "@/model/train/open-base";
import { runPpo } from "@/model/train/ppo";
import { GuardRailError } from "@/model/train/ppo/guard-rails";
import { ppoConfigSchema } from "@/model/train/ppo-config";
import { runPretrain } from "@/model/train/pretrain";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { runReward } from "@/model/train/reward";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { ConfigError, parseConfig } from "@/model/train/run-config";
import { RunFolderError } from "@/model/train/run-folder";
import { PausedError, type StageOptions } from "@/model/train/run-loop";
import { CheckpointNotSavedError } from "@/model/train/save-checkpoint";
import { runSft } from "@/model/train/sft";
import { sftConfigSchema } from "@/model/train/sft-config";
import { UnfitDataError } from "@/model/train/unfit-data";
import { projectRoot } from "@/server/project-root";
import type { TrainableStage } from "@/server/runs/stage-settings";
import type { FromStage, StageEvent, StageFailure, StageSummary, StageTask, ToStage } from "./stage-messages";

type Stage = (config: unknown, options: StageOptions<StageEvent>) => Promise<StageSummary>;

const stages: Record<TrainableStage, Stage> = {
  pretrain: (config, options) => runPretrain(parseConfig(pretrainConfigSchema, config), options),
  sft: (config, options) => runSft(parseConfig(sftConfigSchema, config), options),
  reward: (config, options) => runReward(parseConfig(rewardConfigSchema, config), options),
  ppo: (config, options) => runPpo(parseConfig(ppoConfigSchema, config), options),
  eval: (config, options) => evaluate(parseConfig(evalRunSchema, config), options),
};

/** The server says which form it serves; see `createRun`. */
const evalRunSchema = evalConfigSchema.extend({
  precision: evalConfigSchema.shape.precision.unwrap().unwrap(),
});

/** What was measured is told whole at its end: one that was stopped begins again. */
async function evaluate(
  config: z.output<typeof evalRunSchema>,
  { onEvent, signal, basePlaces }: StageOptions<StageEvent>,
): Promise<StageSummary> {
  const scratch = path.join(config.output, "serving");
  const progress = { steps: 0, totalSteps: 0 };
  try {
    const evaluation = await evaluateCheckpoint(config, {
      onEvent(event) {
        if (event.type === "item")
          Object.assign(progress, { steps: event.done, totalSteps: event.totalItems });
        onEvent(event);
      },
      signal,
      basePlaces,
      cacheFolder: scratch,
      suitesFolder: path.join(projectRoot, "model", "suites"),
    });
    onEvent({ type: "evaluation", ...evaluation });
    return { finished: true, checkpoint: null, ...progress };
  } catch (error) {
    if (signal?.aborted) return { finished: false, checkpoint: null, ...progress };
    throw error;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Facts about what was given, each with a message for people. */
const unfitErrors = [
  AdapterError,
  BaseMissingError,
  ConfigError,
  CorruptFileError,
  DataFileError,
  NotAModelError,
  NotARewardModelError,
  OtherTokenizerError,
  RunFolderError,
  SuiteError,
  UnfitBaseError,
  UnfitDataError,
  UnknownTargetError,
  UnsupportedModelError,
  VocabularyTooLargeError,
];

/** Runs what the parent process asks for, and ends with it. Call once, first thing, in a forked process. */
export function runStageProcess(): void {
  // Ctrl-C reaches the whole process group; the worker decides.
  process.on("SIGINT", () => {}).on("SIGTERM", () => {});
  process.on("disconnect", () => process.exit(1));
  const stopping = new AbortController();
  let taken = () => {};
  process.on("message", (message: ToStage) => {
    if (message.type === "stop") stopping.abort();
    else if (message.type === "taken") taken();
    else void run(message.task);
  });

  async function run({ stage, config, facts }: StageTask): Promise<void> {
    const last = await stages[stage](config, {
      facts,
      signal: stopping.signal,
      onEvent: (event) => send({ type: "event", event }),
      async onSaved(saved) {
        const isTaken = new Promise<void>((resolve) => {
          taken = resolve;
        });
        send({ type: "saved", saved });
        await isTaken;
      },
    }).then(
      (summary): FromStage => ({ type: "ended", summary }),
      (error: unknown): FromStage =>
        // Stopped before there was anything to save: no fault of the run.
        stopping.signal.aborted && isAbort(error)
          ? { type: "ended", summary: { finished: false, checkpoint: null, steps: 0, totalSteps: 0 } }
          : { type: "failed", failure: toFailure(error) },
    );
    // The last message must have left before the process does.
    process.send?.(last, () => process.exit(0));
  }
}

function send(message: FromStage): void {
  if (process.connected) process.send?.(message);
}

const isAbort = (error: unknown) => error instanceof Error && error.name === "AbortError";

function toFailure(error: unknown): StageFailure {
  if (!(error instanceof Error)) return { kind: "code", message: String(error) };
  const { message } = error;
  if (error instanceof GuardRailError) return { kind: "paused", message: error.finding, rule: error.rule };
  if (error instanceof PausedError) return { kind: "paused", message, rule: null };
  if (error instanceof CheckpointNotSavedError || error instanceof DiskFullError || isDiskFull(error)) {
    return { kind: "diskFull", message };
  }
  if (unfitErrors.some((known) => error instanceof known)) return { kind: "unfit", message };
  return { kind: "code", message: error.stack ?? message };
}
