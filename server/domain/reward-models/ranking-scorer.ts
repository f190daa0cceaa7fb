/**
 * @file Scores new rankings with the reward model in use, in the background, when nobody else wants a score. What it has done
 * is in the database alone: a stopped server goes on where it was.
 */
import type { Db } from "../../db/db";
import { AppError, isAppError } from "../../errors";
import type { Log } from "../../log";
import type { ScoreRequest } from "../../scoring/protocol";
import type { Scoring } from "../../scoring/scoring";
import { clearProblem, noteProblem } from "./current-reward-model";
import { findUnscoredTask, storeFault, storeScores, type UnscoredTask } from "./unscored-rankings";

/** It is woken where a labeler submits; this finds what came by other ways, such as an expert's ranking. */
const idleMs = 30_000;
const firstWaitMs = 2_000;
const longestWaitMs = 5 * 60_000;
/** What any reward model can score. */
const harmless: Pick<ScoreRequest, "prompt" | "responses"> = {
  prompt: [{ role: "user", content: "Hello" }],
  responses: ["Hello"],
};
/** A task with which the scoring process ends so often in a row is what ends it. */
const mostEnds = 3;

type RankingScorerOptions = {
  db: Db;
  scoring: Scoring;
  log: Log;
  /** How long it waits before it looks for new rankings; for tests. */
  idleForMs?: number;
};

/** Until disposed. Disposing drops what is being scored; it is scored anew after the next start. */
export class RankingScorer implements AsyncDisposable {
  readonly #options: RankingScorerOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #failures = 0;
  #failing: { taskId: string; ends: number } | null = null;
  #endRest: () => void = () => {};
  /** Also while it looks: what came just after is found by looking again. */
  #isWoken = false;

  constructor(options: RankingScorerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** There is something new to do, or the reward model is another one. */
  wake(): void {
    this.#isWoken = true;
    this.#endRest();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#isWoken = false;
      const isDone = await this.#step().catch((err: unknown) => {
        if (!this.#stop.signal.aborted) this.#options.log.error({ err }, "scoring new rankings failed");
        return false;
      });
      if (!isDone) await this.#rest();
    }
  }

  /** @returns false when there was nothing to do, or it could not be done now */
  async #step(): Promise<boolean> {
    const { db, scoring } = this.#options;
    // Another model would be loaded in between, and whoever waits for a score would wait for that too.
    if (scoring.isBusy) return false;
    const task = await findUnscoredTask(db);
    if (!task) return false;
    const scores = await this.#score(task);
    if (scores === null) return false;
    this.#failures = 0;
    this.#failing = null;
    if (typeof scores === "string") await storeFault(db, task, scores);
    else await storeScores(db, task, scores);
    await clearProblem(db, task.checkpointId);
    return true;
  }

  /** @returns the scores, or why this task has none, or null: it could not be done now */
  async #score({ checkpointId, taskId, prompt, responses }: UnscoredTask): Promise<number[] | string | null> {
    try {
      return await this.#scoresOf(checkpointId, { prompt, responses: responses.map(({ text }) => text) });
    } catch (error) {
      if (this.#stop.signal.aborted || isLater(error)) return null;
      const isAboutTask = isRefusal(error) || this.#countEnd(taskId) >= mostEnds;
      // Where it scores something else, the task is at fault; otherwise the model is.
      if (isAboutTask && (await this.#scoresAnything(checkpointId))) return describe(error);
      this.#failures += 1;
      this.#options.log.warn({ err: error, checkpointId }, "the reward model in use cannot score");
      await noteProblem(this.#options.db, checkpointId, describe(error));
      return null;
    }
  }

  /** @throws {AppError} BAD_REQUEST where one is no finite number, what scoring refuses */
  async #scoresOf(
    checkpointId: string,
    texts: Pick<ScoreRequest, "prompt" | "responses">,
  ): Promise<number[]> {
    const { scoring } = this.#options;
    const scored = await scoring.score(checkpointId, { ...texts, withTokens: false }, this.#stop.signal);
    const scores = scored.map(({ score }) => score);
    if (scores.every(Number.isFinite)) return scores;
    throw new AppError(
      "BAD_REQUEST",
      "It gave a response no finite score: its weights are damaged, or training diverged.",
    );
  }

  async #scoresAnything(checkpointId: string): Promise<boolean> {
    return this.#scoresOf(checkpointId, harmless).then(
      () => true,
      () => false,
    );
  }

  #countEnd(taskId: string): number {
    const ends = this.#failing?.taskId === taskId ? this.#failing.ends + 1 : 1;
    this.#failing = { taskId, ends };
    return ends;
  }

  #rest(): Promise<void> {
    const { idleForMs = idleMs } = this.#options;
    const backoffMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (this.#failures - 1));
    return new Promise((resolve) => {
      if (this.#isWoken) return resolve();
      const timer = setTimeout(
        resolve,
        this.#failures > 0 ? Math.max(idleForMs, backoffMs) : idleForMs,
      ).unref();
      this.#endRest = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Others are served first. */
const isLater = (error: unknown) =>
  isAppError(error) && (error.code === "TOO_MANY_REQUESTS" || error.code === "CONFLICT");

const isRefusal = (error: unknown) => isAppError(error) && error.code === "BAD_REQUEST";

/** Never a text that may hold the prompt. */
const describe = (error: unknown) =>
  isAppError(error) ? error.message : "The scoring process failed. The log says more.";
