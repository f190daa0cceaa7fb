/** @file Measuring reward models on this server's rankings: one at a time, in the background, kept as a report. */
import { rewardReports } from "@/drizzle/schema";
import type { ScoreProgress } from "@/model/eval/reward/score-rankings";
import type { Db } from "../../db/db";
import { isAppError } from "../../errors";
import type { Log } from "../../log";
import type { Scoring } from "../../scoring/scoring";
import { readEvaluationRecords } from "./evaluation-records";

export type EvaluationStatus = {
  state: "running" | "failed";
  progress: ScoreProgress;
  startedAt: Date;
  /** Why it failed, for people. */
  reason: string | null;
};

type Running = EvaluationStatus & { stop: AbortController; ended: Promise<void> };

/** Of the intervals: the same for every report, so that two models meet the same draws. */
const seed = 1;

export class Evaluations implements AsyncDisposable {
  readonly #parts: { db: Db; scoring: Scoring; log: Log };
  readonly #known = new Map<string, Running>();

  constructor(parts: { db: Db; scoring: Scoring; log: Log }) {
    this.#parts = parts;
  }

  /** null where none runs and none has failed since the server started. */
  status(checkpointId: string): EvaluationStatus | null {
    const known = this.#known.get(checkpointId);
    if (!known) return null;
    const { state, progress, startedAt, reason } = known;
    return { state, progress, startedAt, reason };
  }

  /**
   * Resolves when it has begun. Once more, while it runs, changes nothing.
   * @throws {AppError} PRECONDITION_FAILED where there is nothing to measure with
   */
  async start({ checkpointId, actorId }: { checkpointId: string; actorId: string }): Promise<void> {
    if (this.#known.get(checkpointId)?.state === "running") return;
    const found = await readEvaluationRecords(this.#parts.db, checkpointId);
    if (this.#known.get(checkpointId)?.state === "running") return;
    const stop = new AbortController();
    const running: Running = {
      state: "running",
      progress: { done: 0, total: found.records.length },
      startedAt: new Date(),
      reason: null,
      stop,
      ended: Promise.resolve(),
    };
    this.#known.set(checkpointId, running);
    running.ended = this.#measure(checkpointId, actorId, running, found).catch((error: unknown) => {
      if (stop.signal.aborted) {
        this.#known.delete(checkpointId);
        return;
      }
      running.state = "failed";
      running.reason = isAppError(error) ? error.message : "The scoring process failed. The log says more.";
      this.#parts.log.warn({ err: error, checkpointId }, "a reward model was not measured");
    });
  }

  /** Nothing is kept of it. Harmless where none runs. */
  async cancel(checkpointId: string): Promise<void> {
    const running = this.#known.get(checkpointId);
    running?.stop.abort();
    await running?.ended;
    this.#known.delete(checkpointId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#known.keys()].map((checkpointId) => this.cancel(checkpointId)));
  }

  async #measure(
    checkpointId: string,
    actorId: string,
    running: Running,
    { records, leaks, isHeldOut, leftOut }: Awaited<ReturnType<typeof readEvaluationRecords>>,
  ): Promise<void> {
    const { db, scoring } = this.#parts;
    const report = await scoring.report(
      checkpointId,
      { records, checkpoint: checkpointId, isHeldOut, leaks, seed },
      {
        signal: running.stop.signal,
        onProgress: (progress) => {
          running.progress = progress;
        },
      },
    );
    await db.insert(rewardReports).values({ checkpointId, report, leftOut, createdBy: actorId });
    this.#known.delete(checkpointId);
  }
}
