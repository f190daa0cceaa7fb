/** @file What exists once per process. Next bundles its own copy of server/, so it lives on globalThis behind this accessor. */
import type { Db } from "./db/db";
import type { BackgroundSampling } from "./domain/batches/sample-responses";
import type { Answers } from "./generation/answers";
import type { ConversationChanges } from "./generation/conversation-changes";
import type { Generation } from "./generation/generation";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import type { TrainerStatus } from "./runs/embedded-trainer";
import type { ScoringServices } from "./scoring/scoring-services";

export type ProcessState = {
  /** Null until it is opened; `next build` never opens it. */
  db: Db | null;
  /** Null in a process that serves no chat (CLI, `next build`). */
  chat: ChatServices | null;
  /** Scores of reward models; null as `chat` is. */
  scoring: ScoringServices | null;
  /** The trainer of this machine; null where none is started (CLI, ATTUNE_TRAINER=off). */
  trainer: { status(): TrainerStatus } | null;
  /** `draining`: running answers may finish, new ones are refused. */
  phase: "starting" | "serving" | "draining";
  /** What the CLI must show to /api/control; null where no server runs. */
  controlToken: string | null;
  startedAt: Date;
};

export type ChatServices = {
  generation: Generation;
  answers: Answers;
  changes: ConversationChanges;
  metrics: Metrics;
  /** Responses for labelers. */
  sampling: BackgroundSampling;
  log: Log;
};

declare global {
  var attuneProcess: ProcessState | undefined;
}

export function processState(): ProcessState {
  globalThis.attuneProcess ??= {
    db: null,
    chat: null,
    scoring: null,
    trainer: null,
    phase: "starting",
    controlToken: null,
    startedAt: new Date(),
  };
  return globalThis.attuneProcess;
}
