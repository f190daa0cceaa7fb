/** @file What a worker and its stage process say to each other, over IPC. */
import type { RunEvent, RunFacts, RunSummary, SavedCheckpoint } from "@/model/train/run-loop";
import type { DataEvent } from "@/model/train/unfit-data";
import type { TrainableStage } from "@/server/runs/stage-settings";

export type StageEvent = RunEvent | DataEvent;

/** Settings of the stage, with the names of files. */
export type StageTask = { stage: TrainableStage; config: Record<string, unknown>; facts: RunFacts };

export type ToStage =
  | { type: "start"; task: StageTask }
  /** The saved checkpoint has been taken over: its folder may go. */
  | { type: "taken" }
  /** Save, and end. */
  | { type: "stop" };

/**
 * unfit: data, base or settings cannot be used, and the message says which · diverged: three steps in a row were left out ·
 * diskFull · code: anything else
 */
export type StageFailure = { kind: "unfit" | "diverged" | "diskFull" | "code"; message: string };

export type FromStage =
  | { type: "event"; event: StageEvent }
  | { type: "saved"; saved: SavedCheckpoint }
  | { type: "ended"; summary: RunSummary }
  | { type: "failed"; failure: StageFailure };
