/**
 * @file One task after the other in the background, each by the model that it names, behind everybody else who wants that
 * model. What it has done is in the database alone: a stopped server goes on where it was.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "../errors";
import type { Log } from "../log";

const defaultIdleMs = 3_000;
const firstWaitMs = 2_000;
const longestWaitMs = 5 * 60_000;
/** A task that could not be done may be the fault: others go first for so long. */
const passOverMs = 10 * 60_000;

export type Hindrance = { modelId: string; message: string; since: Date; nextTryAt: Date };

/** Tasks and models that are left alone for now, after an error. */
export type Held = { taskIds: readonly string[]; modelIds: readonly string[] };

export type BackgroundWorkOptions<T extends { id: string; modelId: string }> = {
  /** As the log says it: "scoring for the order of tasks". */
  name: string;
  find: (held: Held) => Promise<T | null>;
  /** Whether the model could be used now and keep nobody waiting. */
  isFree: (task: T) => boolean;
  /** Does it and stores what came of it. */
  act: (task: T, signal: AbortSignal) => Promise<void>;
  log: Log;
  /** How long it waits before it looks for new tasks; for tests. */
  idleForMs?: number | undefined;
};

/** Until disposed. */
export class BackgroundWork<T extends { id: string; modelId: string }> implements AsyncDisposable {
  readonly #options: BackgroundWorkOptions<T>;
  readonly #stop = new AbortController();
  readonly #hindrances = new Map<string, Hindrance & { failures: number }>();
  /** Task → when it may be tried again. */
  readonly #passedOver = new Map<string, number>();
  readonly #running: Promise<void>;

  constructor(options: BackgroundWorkOptions<T>) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** What keeps models from working, while something does. */
  hindrances(): Hindrance[] {
    return [...this.#hindrances.values()].map(({ failures: _, ...hindrance }) => hindrance);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { log, name, idleForMs = defaultIdleMs } = this.#options;
    while (!signal.aborted) {
      const isDone = await this.#step().catch((err: unknown) => {
        if (!signal.aborted) log.error({ err }, `${name} failed`);
        return false;
      });
      if (!isDone) await sleep(idleForMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** @returns false when there was nothing to do, or it could not be done now */
  async #step(): Promise<boolean> {
    const { find, isFree, act } = this.#options;
    const now = Date.now();
    for (const [id, until] of this.#passedOver) if (until <= now) this.#passedOver.delete(id);
    const held = [...this.#hindrances.values()].filter(({ nextTryAt }) => nextTryAt.getTime() > now);
    const task = await find({
      taskIds: [...this.#passedOver.keys()],
      modelIds: held.map(({ modelId }) => modelId),
    });
    if (!task || this.#stop.signal.aborted || !isFree(task)) return false;
    try {
      await act(task, this.#stop.signal);
      this.#hindrances.delete(task.modelId);
      return true;
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#note(error, task);
      return false;
    }
  }

  /** The model is left alone for a while, longer each time, and the task for longer still. */
  #note(error: unknown, { id, modelId }: T): void {
    const { log, name } = this.#options;
    log.warn({ err: error, taskId: id, model: modelId.slice(0, 12) }, `${name}: a task was not done`);
    this.#passedOver.set(id, Date.now() + passOverMs);
    const before = this.#hindrances.get(modelId);
    const failures = (before?.failures ?? 0) + 1;
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - 1));
    this.#hindrances.set(modelId, {
      modelId,
      message: isAppError(error) ? error.message : "The scoring process failed. The log says more.",
      since: before?.since ?? new Date(),
      nextTryAt: new Date(Date.now() + waitMs),
      failures,
    });
  }
}
