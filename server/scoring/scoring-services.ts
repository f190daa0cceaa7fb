/** @file The scoring services of this process, for routers and API routes, and how they are brought up. */
import type { Db } from "../db/db";
import { type DoubtTask, findTaskToScore, storeDoubt } from "../domain/batches/doubt-queue";
import { locateCheckpoint } from "../domain/checkpoints";
import { findTaskToJudge, type JudgedTask, storeScoreJudgment } from "../domain/evaluation/judge-queue";
import { Evaluations } from "../domain/reward-models/evaluations";
import { RankingScorer } from "../domain/reward-models/ranking-scorer";
import { defaultTrainerThreads, type Env } from "../env";
import { AppError } from "../errors";
import type { Log } from "../log";
import { processState } from "../process-state";
import { BackgroundWork, type BackgroundWorkOptions } from "./background-work";
import type { ResponseScore, ScoreRequest } from "./protocol";
import { Scoring } from "./scoring";

export type ScoringServices = AsyncDisposable & {
  scoring: Scoring;
  evaluations: Evaluations;
  /** New rankings, with the reward model in use. */
  rankingScorer: RankingScorer;
  /** Scores for the order of labeling tasks. */
  doubts: BackgroundWork<DoubtTask>;
  /** Judgments of reward models in evaluations. */
  judging: BackgroundWork<JudgedTask>;
};

type Scored = Pick<ScoreRequest, "prompt" | "responses"> & { id: string; modelId: string };

type ScoringStart = {
  db: Db;
  env: Pick<Env, "ATTUNE_DATA">;
  log: Log;
  /** The compiled scorer: dist/scorer.js. */
  scorerEntry: string;
  idleMs?: number;
  /** How often it is looked for new rankings, after the order of tasks and for judgments; for tests. */
  rankingsEveryMs?: number;
  doubtsIdleMs?: number;
};

/** Starts no process yet: the first who asks for a score does, or what waits for one in the background. */
export function startScoring({
  db,
  env,
  log,
  scorerEntry,
  idleMs,
  rankingsEveryMs,
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
  const rankingScorer = new RankingScorer({
    db,
    scoring,
    log,
    ...(rankingsEveryMs !== undefined && { idleForMs: rankingsEveryMs }),
  });
  const inBackground = <T extends Scored>(
    work: Pick<BackgroundWorkOptions<T>, "name" | "find"> & {
      store: (task: T, scores: ResponseScore[]) => Promise<void>;
    },
  ) =>
    new BackgroundWork<T>({
      ...work,
      isFree: ({ modelId }) => scoring.isFreeFor(modelId),
      act: async (task, signal) => {
        const { modelId, prompt, responses } = task;
        await work.store(
          task,
          await scoring.score(modelId, { prompt, responses, withTokens: false }, signal),
        );
      },
      log,
      idleForMs: doubtsIdleMs,
    });
  const doubts = inBackground<DoubtTask>({
    name: "scoring for the order of tasks",
    find: (held) => findTaskToScore(db, held),
    store: (task, scores) => storeDoubt(db, task, scores),
  });
  const judging = inBackground<JudgedTask>({
    name: "judging by a reward model",
    find: (held) => findTaskToJudge(db, held),
    store: (task, scores) => storeScoreJudgment(db, task, scores),
  });
  return {
    scoring,
    evaluations,
    rankingScorer,
    doubts,
    judging,
    async [Symbol.asyncDispose]() {
      // They need not wait for the scores that they have asked for: those go with the process.
      const ended = Promise.all([
        rankingScorer[Symbol.asyncDispose](),
        doubts[Symbol.asyncDispose](),
        judging[Symbol.asyncDispose](),
      ]);
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
