/** @file The scoring services of this process, for routers and API routes, and how they are brought up. */
import type { Db } from "../db/db";
import { type DoubtTask, findTaskToScore, storeDoubt } from "../domain/batches/doubt-queue";
import { locateCheckpoint } from "../domain/checkpoints";
import { judgeByEndpoint, judgeEndpointOf } from "../domain/evaluation/endpoint-judge";
import {
  findTaskForEndpoint,
  findTaskToJudge,
  type JudgedTask,
  storeScoreJudgment,
  storeVerdict,
} from "../domain/evaluation/judge-queue";
import { Evaluations } from "../domain/reward-models/evaluations";
import { RankingScorer } from "../domain/reward-models/ranking-scorer";
import { defaultTrainerThreads, type Env } from "../env";
import { AppError, isAppError } from "../errors";
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
  /** The same of a model elsewhere; null where none is set. */
  endpointJudging: BackgroundWork<JudgedTask> | null;
};

type Scored = Pick<ScoreRequest, "prompt" | "responses"> & { id: string; modelId: string };

type ScoringStart = {
  db: Db;
  env: Pick<Env, "ATTUNE_DATA" | "ATTUNE_JUDGE_URL" | "ATTUNE_JUDGE_MODEL" | "ATTUNE_JUDGE_KEY">;
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
  const endpoint = judgeEndpointOf(env);
  const endpointJudging =
    endpoint &&
    new BackgroundWork<JudgedTask>({
      name: "judging by an endpoint",
      find: (held) => findTaskForEndpoint(db, held, endpoint.model),
      isFree: () => true,
      act: async (task, signal) =>
        storeVerdict(db, task, await judgeByEndpoint(endpoint, task, signal).catch(toFault)),
      log,
      idleForMs: doubtsIdleMs,
    });
  return {
    scoring,
    evaluations,
    rankingScorer,
    doubts,
    judging,
    endpointJudging,
    async [Symbol.asyncDispose]() {
      // They need not wait for the scores that they have asked for: those go with the process.
      const ended = Promise.all([
        rankingScorer[Symbol.asyncDispose](),
        doubts[Symbol.asyncDispose](),
        judging[Symbol.asyncDispose](),
        endpointJudging?.[Symbol.asyncDispose](),
      ]);
      await evaluations[Symbol.asyncDispose]();
      await scoring[Symbol.asyncDispose]();
      await ended;
    },
  };
}

/** What is about the pair stays with it; anything else is tried again. */
function toFault(error: unknown): { fault: string } {
  if (isAppError(error) && error.code === "BAD_REQUEST") return { fault: error.message };
  throw error;
}

/** @throws {AppError} UNAVAILABLE in a process that scores nothing, or before it does */
export function scoringServices(): ScoringServices {
  const { scoring } = processState();
  if (!scoring) throw new AppError("UNAVAILABLE", "The server is starting. Try again in a few seconds.");
  return scoring;
}
