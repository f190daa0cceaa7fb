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
  /** Of which a report is being made. */
  #measured: string | null = null;
  /** Who asks waits for whoever asked before, until the model is in memory. */
  #last: Promise<unknown> = Promise.resolve();
  /** Told when nothing is being scored any more. */
  readonly #onIdle = new Set<() => void>();
  #waiting = 0;
  #active = 0;
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

  /** Somebody waits for a score or a report: what can wait, waits. */
  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** Whether a score by this model would keep nobody waiting, and put no other model out of memory. */
  isFreeFor(checkpointId: string): boolean {
    return this.#waiting === 0 && (this.#held === null || this.#held.checkpointId === checkpointId);
  }

  /**
   * Also while a report of the same model is made.
   * @throws {AppError} what loading and scoring refuse, TOO_MANY_REQUESTS while too much waits, CONFLICT while another model
   *   is being measured
   */
  async score(checkpointId: string, request: ScoreRequest, signal?: AbortSignal): Promise<ResponseScore[]> {
    if (this.#measured !== null && this.#measured !== checkpointId) throw measuringOther();
    return this.#use(checkpointId, (process) => process.score(request, signal), signal);
  }

  /** Scores rankings and makes the report of them. @throws as `score`, CONFLICT while any model is being measured */
  async report(
    checkpointId: string,
    request: ReportRequest,
    options: { signal?: AbortSignal; onProgress?: (progress: ScoreProgress) => void } = {},
  ): Promise<RewardReport> {
    if (this.#measured !== null) throw measuringOther();
    this.#measured = checkpointId;
    try {
      return await this.#use(checkpointId, (process) => process.report(request, options), options.signal);
    } finally {
      this.#measured = null;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#release();
  }

  async #use<T>(
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
    try {
      const held = this.#last.then(async () => {
        signal?.throwIfAborted();
        const process = await this.#hold(checkpointId);
        // Counted before the next one may ask for another model.
        this.#active++;
        return process;
      });
      this.#last = held.catch(() => {});
      const process = await held;
      try {
        return await act(process);
      } finally {
        this.#active--;
        if (this.#active === 0) for (const tell of this.#onIdle) tell();
      }
    } finally {
      this.#waiting--;
      if (this.#waiting === 0) this.#waitForUse();
    }
  }

  async #hold(checkpointId: string): Promise<ScorerProcess> {
    if (this.#isClosed) throw new AppError("UNAVAILABLE", "The server is shutting down.");
    if (this.#held?.checkpointId === checkpointId) return this.#held.process;
    while (this.#active > 0) {
      await new Promise<void>((resolve) => this.#onIdle.add(resolve));
      this.#onIdle.clear();
    }
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

const measuringOther = () =>
  new AppError(
    "CONFLICT",
    "A reward model is being measured, and only one is in memory at a time. Wait for its report, or stop measuring it.",
  );
