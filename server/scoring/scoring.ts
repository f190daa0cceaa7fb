/**
 * @file Scores of reward models for pages and the API: a process is started when somebody asks, and ends when nobody has
 * for a while. One reward model at a time is in memory, as each holds its base in single precision.
 */
import type { RewardReport } from "@/model/eval/reward/report";
import type { ScoreProgress } from "@/model/eval/reward/score-rankings";
import { AppError } from "../errors";
import type { CheckpointPlace } from "../generation/generation";
import type { ReportRequest, ResponseScore, ScoreRequest } from "./protocol";
import { ScorerProcess } from "./scorer-process";

export type ScoringOptions = {
  /** The compiled scorer: dist/scorer.js. */
  entry: string;
  threads: number;
  /** @throws {AppError} where the checkpoint's files are not here */
  locate: (checkpointId: string) => Promise<CheckpointPlace>;
  onLog: (line: string) => void;
  /** Unused for so long, the process ends. Default a minute. */
  idleMs?: number;
};

/** Requests that wait; one of them is at most a page of text long. */
const maxWaiting = 32;
const defaultIdleMs = 60_000;

export class Scoring implements AsyncDisposable {
  readonly #options: ScoringOptions;
  #held: { checkpointId: string; process: ScorerProcess } | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ScoringOptions) {
    this.#options = options;
  }

  /** The reward model in memory; null where none is. */
  get status(): { checkpointId: string; rssBytes: number; waiting: number } | null {
    return (
      this.#held && {
        checkpointId: this.#held.checkpointId,
        rssBytes: this.#held.process.rssBytes,
        waiting: this.#waiting,
      }
    );
  }

  /** @throws {AppError} what loading and scoring refuse, TOO_MANY_REQUESTS while too much waits */
  score(checkpointId: string, request: ScoreRequest, signal?: AbortSignal): Promise<ResponseScore[]> {
    return this.#inTurn(checkpointId, (process) => process.score(request, signal), signal);
  }

  /** Scores rankings and makes the report of them; others wait meanwhile. @throws as `score` */
  report(
    checkpointId: string,
    request: ReportRequest,
    options: { signal?: AbortSignal; onProgress?: (progress: ScoreProgress) => void } = {},
  ): Promise<RewardReport> {
    return this.#inTurn(checkpointId, (process) => process.report(request, options), options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#release();
  }

  async #inTurn<T>(
    checkpointId: string,
    act: (process: ScorerProcess) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    if (this.#waiting >= maxWaiting) {
      throw new AppError(
        "TOO_MANY_REQUESTS",
        `${this.#waiting} texts are waiting to be scored. Try again in a minute, or use “npx attune score”.`,
      );
    }
    this.#waiting++;
    clearTimeout(this.#idle);
    const turn = this.#last.then(async () => {
      signal?.throwIfAborted();
      return act(await this.#hold(checkpointId));
    });
    this.#last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#waiting--;
      if (this.#waiting === 0) this.#waitForUse();
    }
  }

  async #hold(checkpointId: string): Promise<ScorerProcess> {
    if (this.#isClosed) throw new AppError("UNAVAILABLE", "The server is shutting down.");
    if (this.#held?.checkpointId === checkpointId) return this.#held.process;
    await this.#release();
    const { folder, basePlaces } = await this.#options.locate(checkpointId);
    const { entry, threads, onLog } = this.#options;
    const process = new ScorerProcess({ entry, folder, basePlaces, threads, onLog });
    this.#held = { checkpointId, process };
    // Killed, or out of memory: the next one who asks starts another.
    void process.exited.then(() => {
      if (this.#held?.process === process) this.#held = null;
    });
    try {
      await process.loaded;
    } catch (error) {
      await this.#release();
      throw error;
    }
    return process;
  }

  async #release(): Promise<void> {
    clearTimeout(this.#idle);
    const held = this.#held;
    this.#held = null;
    await held?.process[Symbol.asyncDispose]();
  }

  #waitForUse(): void {
    this.#idle = setTimeout(() => {
      if (this.#waiting === 0) this.#last = this.#last.then(() => this.#release());
    }, this.#options.idleMs ?? defaultIdleMs);
    this.#idle.unref();
  }
}
