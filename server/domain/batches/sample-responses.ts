/**
 * @file Samples the responses that labelers rank, in the background, whenever nobody chats. What it has done is in the database
 * alone: a stopped server goes on with the task it was at.
 */
import { randomInt } from "node:crypto";
import type { Db } from "../../db/db";
import { isAppError } from "../../errors";
import type { Generation } from "../../generation/generation";
import type { Log } from "../../log";
import { storableText } from "../message-text";
import {
  addConversationResponse,
  excludeTask,
  findNextTask,
  listMissing,
  type SampledResponse,
  type SamplingTask,
  settleTask,
  storeResponse,
} from "./sampling-queue";

/** Two tasks at a time: while one waits for its longest response, the other fills the slots. */
const lanes = 2;
/** A response that another one equals is drawn again so often. */
const redraws = 4;
/** A prompt that the policy refuses so often in a row is excluded. */
const refusalsToExclude = 3;
const idleMs = 2_000;
const firstWaitMs = 2_000;
const longestWaitMs = 5 * 60_000;

export type SamplingHindrance = {
  /** The policy that cannot answer. */
  checkpointId: string;
  message: string;
  since: Date;
  nextTryAt: Date;
};

export type SamplingStatus = {
  /** Tasks being sampled now, by batch. */
  active: { batchId: string; taskId: string }[];
  hindrances: SamplingHindrance[];
};

export type BackgroundSamplingOptions = {
  db: Db;
  generation: Generation;
  log: Log;
  /** How long it waits before it looks for new tasks; for tests. */
  idleForMs?: number;
};

/** Until disposed. Disposing cuts what is being sampled; what was not finished is drawn anew after the next start. */
export class BackgroundSampling implements AsyncDisposable {
  readonly #options: BackgroundSamplingOptions;
  readonly #stop = new AbortController();
  readonly #active = new Map<string, SamplingTask>();
  readonly #hindrances = new Map<string, SamplingHindrance & { failures: number }>();
  readonly #refusals = new Map<string, number>();
  readonly #running: Promise<unknown>;
  #taking: Promise<unknown> = Promise.resolve();
  readonly #resting = new Set<() => void>();

  constructor(options: BackgroundSamplingOptions) {
    this.#options = options;
    this.#running = Promise.all(Array.from({ length: lanes }, () => this.#lane()));
  }

  status(): SamplingStatus {
    return {
      active: [...this.#active.values()].map(({ id, batchId }) => ({ taskId: id, batchId })),
      hindrances: [...this.#hindrances.values()].map(({ failures: _, ...hindrance }) => hindrance),
    };
  }

  /** There is something new to do. */
  wake(): void {
    for (const done of [...this.#resting]) done();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.wake();
    await this.#running;
  }

  async #lane(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const isDone = await this.#step().catch((err: unknown) => {
        if (!this.#stop.signal.aborted) this.#options.log.error({ err }, "sampling for labelers failed");
        return false;
      });
      if (!isDone) await this.#rest();
    }
  }

  /** @returns false when there was nothing to do, or it could not be done now */
  async #step(): Promise<boolean> {
    const task = await this.#take();
    if (!task) return false;
    try {
      return await this.#sampleTask(task);
    } finally {
      this.#active.delete(task.id);
    }
  }

  /** One lane after the other: both would find the same task. */
  #take(): Promise<SamplingTask | null> {
    const taken = this.#taking.then(async () => {
      const now = Date.now();
      const held = [...this.#hindrances.values()].filter(({ nextTryAt }) => nextTryAt.getTime() > now);
      const task = await findNextTask(this.#options.db, {
        taskIds: [...this.#active.keys()],
        checkpointIds: held.map(({ checkpointId }) => checkpointId),
      });
      if (task) this.#active.set(task.id, task);
      return task;
    });
    this.#taking = taken.catch(() => {});
    return taken;
  }

  async #sampleTask(task: SamplingTask): Promise<boolean> {
    const { db } = this.#options;
    const hasConversationResponse = await addConversationResponse(db, task);
    const missing = await listMissing(db, task, hasConversationResponse);
    const outcomes = await Promise.all(missing.map((checkpointId) => this.#fillSlot(task, checkpointId)));
    if (outcomes.includes("failed") || this.#stop.signal.aborted) return false;
    this.#refusals.delete(task.id);
    await settleTask(db, task);
    return true;
  }

  /** Draws until the response is like no other, a bounded number of times. Never throws: an error is kept and shown. */
  async #fillSlot(task: SamplingTask, checkpointId: string): Promise<"filled" | "failed"> {
    try {
      for (let draw = 0; draw <= redraws; draw++) {
        const response = await this.#draw(task, checkpointId);
        if (!response) return "failed";
        const stored = await storeResponse(this.#options.db, task, response);
        this.#hindrances.delete(checkpointId);
        if (stored !== "duplicate") return "filled";
      }
      return "filled";
    } catch (error) {
      if (!this.#stop.signal.aborted) await this.#note(error, task, checkpointId);
      return "failed";
    }
  }

  /** Goes on after the tokens it has when a chat on another engine needed the processor. @returns null when stopped */
  async #draw(task: SamplingTask, checkpointId: string): Promise<SampledResponse | null> {
    const { presence } = this.#options.generation;
    const seed = randomInt(2 ** 31 - 1);
    const response: SampledResponse = {
      checkpointId,
      text: "",
      tokenIds: [],
      logprobs: [],
      sampling: { ...task.sampling, seed },
      seed,
      isFinished: false,
    };
    while (!this.#stop.signal.aborted) {
      await presence.quiet(checkpointId, this.#stop.signal);
      using disturbance = presence.disturbance(checkpointId);
      if (await this.#goOn(response, task, disturbance.signal)) {
        return { ...response, text: storableText(response.text) };
      }
    }
    return null;
  }

  /** Adds what comes to `response`. @returns whether it came to its end, rather than being cut */
  async #goOn(response: SampledResponse, task: SamplingTask, disturbed: AbortSignal): Promise<boolean> {
    const { generation } = this.#options;
    const { checkpointId, sampling } = response;
    const { events } = generation.generate(
      { checkpointId },
      { messages: task.messages, sampling, begun: [...response.tokenIds], priority: "background" },
      {
        // Each task counts as a person of its own, so that one with long responses does not hold the other up.
        place: generation.admit(`labeling ${task.id}`),
        signal: AbortSignal.any([this.#stop.signal, disturbed]),
      },
    );
    for await (const event of events) {
      if (event.type === "token") {
        response.tokenIds.push(event.tokenId);
        response.logprobs.push(event.logprob);
        response.text += event.text;
      }
      // What a cut answer held back comes again with its next token.
      if (event.type === "finished" && event.reason !== "cancelled") {
        response.text += event.text;
        response.isFinished = event.reason === "stop";
        return true;
      }
    }
    return false;
  }

  /** The policy is left alone for a while, longer each time; a prompt that is refused again and again is excluded. */
  async #note(error: unknown, task: SamplingTask, checkpointId: string): Promise<void> {
    const { db, log } = this.#options;
    log.warn(
      { err: error, taskId: task.id, checkpoint: checkpointId.slice(0, 12) },
      "a response for labelers failed",
    );
    const before = this.#hindrances.get(checkpointId);
    // Slots of one task fail together, and count once.
    if (before && before.nextTryAt.getTime() > Date.now()) return;
    const failures = (before?.failures ?? 0) + 1;
    if (isRefusal(error) && this.#countRefusal(task.id) >= refusalsToExclude) {
      this.#refusals.delete(task.id);
      await excludeTask(db, task.id, `The policy does not take this prompt: ${error.message}`);
      return;
    }
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - 1));
    this.#hindrances.set(checkpointId, {
      checkpointId,
      message: describe(error),
      since: before?.since ?? new Date(),
      nextTryAt: new Date(Date.now() + waitMs),
      failures,
    });
  }

  #countRefusal(taskId: string): number {
    const refusals = (this.#refusals.get(taskId) ?? 0) + 1;
    this.#refusals.set(taskId, refusals);
    return refusals;
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stop.signal.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        this.#resting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, this.#options.idleForMs ?? idleMs).unref();
      this.#resting.add(done);
    });
  }
}

/** Goes by name, as errors of the other bundle of this process do. */
const isRefusal = (error: unknown): error is Error =>
  error instanceof Error && error.name === "EngineRefused";

/** For the lead: what our own errors say, else the kind of failure; never a text that may hold the prompt. */
function describe(error: unknown): string {
  if (isAppError(error)) return error.message;
  if (error instanceof Error && error.name === "EngineCrashed") {
    return `The engine process stopped: ${error.message}.`;
  }
  if (isRefusal(error)) return error.message;
  return "An error in the server; its log holds the details.";
}
