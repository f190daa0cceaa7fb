/** @file The scoring services of this process, for routers and API routes, and how they are brought up. */
import type { Db } from "../db/db";
import { BackgroundDoubts } from "../domain/batches/score-doubts";
import { locateCheckpoint } from "../domain/checkpoints";
import { Evaluations } from "../domain/reward-models/evaluations";
import { defaultTrainerThreads, type Env } from "../env";
import { AppError } from "../errors";
import type { Log } from "../log";
import { processState } from "../process-state";
import { Scoring } from "./scoring";

export type ScoringServices = AsyncDisposable & {
  scoring: Scoring;
  evaluations: Evaluations;
  /** Scores for the order of labeling tasks. */
  doubts: BackgroundDoubts;
};

type ScoringStart = {
  db: Db;
  env: Pick<Env, "ATTUNE_DATA">;
  log: Log;
  /** The compiled scorer: dist/scorer.js. */
  scorerEntry: string;
  idleMs?: number;
  /** How often the order of tasks is looked after; for tests. */
  doubtsIdleMs?: number;
};

/** Starts no process yet: the first who asks for a score does, or a task that is to be ordered by one. */
export function startScoring({
  db,
  env,
  log,
  scorerEntry,
  idleMs,
  doubtsIdleMs,
}: ScoringStart): ScoringServices {
  const scoring = new Scoring({
    entry: scorerEntry,
    // As a trainer: chat keeps the other half.
    threads: defaultTrainerThreads(),
    locate: (checkpointId) => locateCheckpoint(db, checkpointId, env.ATTUNE_DATA),
    onLog: (line) => log.warn(line),
    ...(idleMs !== undefined && { idleMs }),
  });
  const evaluations = new Evaluations({ db, scoring, log });
  const doubts = new BackgroundDoubts({ db, scoring, log, idleForMs: doubtsIdleMs });
  return {
    scoring,
    evaluations,
    doubts,
    async [Symbol.asyncDispose]() {
      await doubts[Symbol.asyncDispose]();
      await evaluations[Symbol.asyncDispose]();
      await scoring[Symbol.asyncDispose]();
    },
  };
}

/** @throws {AppError} UNAVAILABLE in a process that scores nothing, or before it does */
export function scoringServices(): ScoringServices {
  const { scoring } = processState();
  if (!scoring) throw new AppError("UNAVAILABLE", "The server is starting. Try again in a few seconds.");
  return scoring;
}
