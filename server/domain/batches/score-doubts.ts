/**
 * @file Scores the responses of tasks in the background, so that labelers get first what a reward model is least sure of. It
 * stands behind everybody else who asks for scores: a model that others use stays in memory. What it has done is in the
 * database alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { doubtOf } from "@/model/eval/reward/doubt";
import { UnusableScoreError } from "@/model/eval/reward/score-rankings";
import type { Db } from "../../db/db";
import { isAppError } from "../../errors";
import type { Log } from "../../log";
import type { Scoring } from "../../scoring/scoring";
import { type DoubtTask, findTaskToScore, storeDoubt } from "./doubt-queue";

const idleMs = 3_000;
const firstWaitMs = 2_000;
const longestWaitMs = 5 * 60_000;
/** A task that could not be scored may be the fault: others go first for so long. */
const passOverMs = 10 * 60_000;

export type DoubtHindrance = { checkpointId: string; message: string; since: Date; nextTryAt: Date };

export type BackgroundDoubtsOptions = {
  db: Db;
  scoring: Pick<Scoring, "score" | "isFreeFor">;
  log: Log;
  /** How long it waits before it looks for new tasks; for tests. */
  idleForMs?: number | undefined;
};

/** Until disposed. */
export class BackgroundDoubts implements AsyncDisposable {
  readonly #options: BackgroundDoubtsOptions;
  readonly #stop = new AbortController();
  readonly #hindrances = new Map<string, DoubtHindrance & { failures: number }>();
  /** Task → when it may be tried again. */
  readonly #passedOver = new Map<string, number>();
  readonly #running: Promise<void>;

  constructor(options: BackgroundDoubtsOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** What keeps models from scoring, while something does. */
  hindrances(): DoubtHindrance[] {
    return [...this.#hindrances.values()].map(({ failures: _, ...hindrance }) => hindrance);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { log, idleForMs = idleMs } = this.#options;
    while (!signal.aborted) {
      const isDone = await this.#step().catch((err: unknown) => {
        if (!signal.aborted) log.error({ err }, "scoring for the order of tasks failed");
        return false;
      });
      if (!isDone) await sleep(idleForMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** @returns false when there was nothing to do, or it could not be done now */
  async #step(): Promise<boolean> {
    const { db, scoring } = this.#options;
    const now = Date.now();
    for (const [id, until] of this.#passedOver) if (until <= now) this.#passedOver.delete(id);
    const held = [...this.#hindrances.values()].filter(({ nextTryAt }) => nextTryAt.getTime() > now);
    const task = await findTaskToScore(db, {
      taskIds: [...this.#passedOver.keys()],
      modelIds: held.map(({ checkpointId }) => checkpointId),
    });
    if (!task || this.#stop.signal.aborted || !scoring.isFreeFor(task.modelId)) return false;
    try {
      await storeDoubt(db, task.id, await this.#doubtOf(task));
      this.#hindrances.delete(task.modelId);
      return true;
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#note(error, task);
      return false;
    }
  }

  async #doubtOf({ id, by, modelId, prompt, responses }: DoubtTask): Promise<number> {
    const request = { prompt, responses, withTokens: false };
    const scores = await this.#options.scoring.score(modelId, request, this.#stop.signal);
    const doubt = doubtOf(scores, by);
    if (!Number.isFinite(doubt)) throw new UnusableScoreError(id, doubt);
    return doubt;
  }

  /** The model is left alone for a while, longer each time, and the task for longer still. */
  #note(error: unknown, { id, modelId }: DoubtTask): void {
    this.#options.log.warn(
      { err: error, taskId: id, checkpoint: modelId.slice(0, 12) },
      "a task was not scored",
    );
    this.#passedOver.set(id, Date.now() + passOverMs);
    const before = this.#hindrances.get(modelId);
    const failures = (before?.failures ?? 0) + 1;
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - 1));
    this.#hindrances.set(modelId, {
      checkpointId: modelId,
      message: isAppError(error) ? error.message : "The scoring process failed. The log says more.",
      since: before?.since ?? new Date(),
      nextTryAt: new Date(Date.now() + waitMs),
      failures,
    });
  }
}
