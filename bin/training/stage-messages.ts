/** @file What a worker and its stage process say to each other, over IPC. */
import type { EvalEvent, Evaluation } from "@/model/eval/evaluate";
import type { PpoEvent } from "@/model/train/ppo";
import type { RunFacts, RunSummary, SavedCheckpoint } from "@/model/train/run-loop";
import type { TrainableStage } from "@/server/runs/stage-settings";

/** PPO's are those of all stages that train, and a few more. */
export type StageEvent = PpoEvent | EvalEvent | ({ type: "evaluation" } & Evaluation);

/** An evaluation makes no checkpoint. */
export type StageSummary =
  | RunSummary
  | { finished: boolean; checkpoint: null; steps: number; totalSteps: number };

/** Settings of the stage, with the names of files. */
export type StageTask = { stage: TrainableStage; config: Record<string, unknown>; facts: RunFacts };

export type ToStage =
  | { type: "start"; task: StageTask }
  /** The saved checkpoint has been taken over: its folder may go. */
  | { type: "taken" }
  /** Save, and end. */
  | { type: "stop" };

/**
 * unfit: data, base or settings cannot be used, and the message says which · paused: it is saved, and a person is to look at
 * it; `rule`: the guard rail that it met · diskFull · code: anything else
 */
export type StageFailure =
  | { kind: "unfit" | "diskFull" | "code"; message: string }
  | { kind: "paused"; message: string; rule: string | null };

export type FromStage =
  | { type: "event"; event: StageEvent }
  | { type: "saved"; saved: SavedCheckpoint }
  | { type: "ended"; summary: StageSummary }
  | { type: "failed"; failure: StageFailure };
