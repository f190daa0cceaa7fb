/** @file The scoring services of this process, for routers and API routes, and how they are brought up. */
import type { Db } from "../db/db";
import { locateCheckpoint } from "../domain/checkpoints";
import { Evaluations } from "../domain/reward-models/evaluations";
import { RankingScorer } from "../domain/reward-models/ranking-scorer";
import { defaultTrainerThreads, type Env } from "../env";
import { AppError } from "../errors";
import type { Log } from "../log";
import { processState } from "../process-state";
import { Scoring } from "./scoring";

export type ScoringServices = AsyncDisposable & {
  scoring: Scoring;
  evaluations: Evaluations;
  /** New rankings, with the reward model in use. */
  rankingScorer: RankingScorer;
};

type ScoringStart = {
  db: Db;
  env: Pick<Env, "ATTUNE_DATA">;
  log: Log;
  /** The compiled scorer: dist/scorer.js. */
  scorerEntry: string;
  idleMs?: number;
  /** How often it is looked for new rankings; for tests. */
  rankingsEveryMs?: number;
};

/** Starts no process yet: the first who asks for a score does, or the first ranking that waits for one. */
export function startScoring({
  db,
  env,
  log,
  scorerEntry,
  idleMs,
  rankingsEveryMs,
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
  const rankingScorer = new RankingScorer({
    db,
    scoring,
    log,
    ...(rankingsEveryMs !== undefined && { idleForMs: rankingsEveryMs }),
  });
  return {
    scoring,
    evaluations,
    rankingScorer,
    async [Symbol.asyncDispose]() {
      // It need not wait for the score that it has asked for: that goes with the process.
      const ended = rankingScorer[Symbol.asyncDispose]();
      await evaluations[Symbol.asyncDispose]();
      await scoring[Symbol.asyncDispose]();
      await ended;
    },
  };
}

/** @throws {AppError} UNAVAILABLE in a process that scores nothing, or before it does */
export function scoringServices(): ScoringServices {
  const { scoring } = processState();
  if (!scoring) throw new AppError("UNAVAILABLE", "The server is starting. Try again in a few seconds.");
  return scoring;
}
