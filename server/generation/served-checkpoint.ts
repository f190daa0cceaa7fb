/** @file One checkpoint being served: its queue, and an engine process that is restarted when it dies. */

import { EventStream } from "@/model/runtime/event-stream";
import type { GenerationEvent, GenerationRequest, GeneratorInfo } from "@/model/runtime/types";
import { AppError } from "../errors";
import { EngineCrashed, EngineProcess, EngineRefused } from "./engine-process";
import { FairQueue } from "./fair-queue";
import type { EngineOptions } from "./protocol";

/** `restarting`: waiting before the next attempt · `failed`: given up until somebody asks again. */
export type EngineState = "loading" | "ready" | "restarting" | "failed" | "closed";

export type ServedOptions = {
  checkpointId: string;
  entry: string;
  options: EngineOptions;
  /** Where the checkpoint lies, and the base of an adapter, after room was made for it in memory. */
  prepare: () => Promise<{ folder: string; basePlaces: readonly string[] }>;
  onLog: (entry: { level: "info" | "warn" | "error"; message: string; checkpointId: string }) => void;
};

const firstBackoffMs = 250;
const longestBackoffMs = 30_000;
/** Crashes in a row, without a minute of service between them, after which waiting requests are told. */
const maxCrashesInARow = 5;
const healthyMs = 60_000;

export class ServedCheckpoint {
  readonly checkpointId: string;
  state: EngineState = "loading";
  info: GeneratorInfo | null = null;
  /** For admins: it may name files of this machine. */
  lastError: string | null = null;
  restarts = 0;
  lastUsedAt = Date.now();

  readonly #served: ServedOptions;
  readonly #queue = new FairQueue();
  readonly #waiting = new Set<EventStream<Step>>();
  #process: EngineProcess | null = null;
  #running: Promise<void>;
  #wakeBackoff: () => void = () => {};
  /** The last error, where it was written for people. */
  #toldError: string | null = null;
  #onState = new Set<() => void>();

  constructor(served: ServedOptions) {
    this.checkpointId = served.checkpointId;
    this.#served = served;
    this.#running = this.#run();
  }

  get waiting(): number {
    return this.#queue.waiting;
  }
  get running(): number {
    return this.#queue.running;
  }
  get rssBytes(): number {
    return this.#process?.rssBytes ?? 0;
  }
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Resolves when it can answer. @throws {AppError} UNAVAILABLE, with the reason, when it cannot be loaded */
  async ready(): Promise<GeneratorInfo> {
    this.#revive();
    while (this.state !== "ready") {
      if (this.state === "failed" || this.state === "closed") throw this.#notReady();
      await new Promise<void>((resolve) => this.#onState.add(resolve));
    }
    if (!this.info) throw new Error("A ready engine has told what it serves");
    return this.info;
  }

  /**
   * Waits for a slot, then generates. Aborting `signal` ends it within one token, or at once while it waits, with a
   * `finished` event.
   * @throws {AppError} UNAVAILABLE when the policy cannot be loaded; EngineCrashed, EngineRefused
   */
  async *generate(
    request: GenerationRequest,
    { userId, signal }: { userId: string; signal?: AbortSignal | undefined },
  ): AsyncGenerator<GenerationEvent, void, void> {
    this.#revive();
    this.lastUsedAt = Date.now();
    const steps = new EventStream<Step>();
    this.#waiting.add(steps);
    const turn = this.#queue.enter(userId, request.priority ?? "chat", (position) => {
      if (position === null) steps.end();
      else steps.push({ type: "queued", position });
    });
    const cancel = () => steps.end(new Cancelled());
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      yield* steps;
      this.#waiting.delete(steps);
      if (!this.#process) throw new EngineCrashed("it ended before the request reached it");
      // The runtime's own queue is behind this one: its positions would count from 1 again.
      for await (const event of this.#process.generate(request, signal)) {
        if (event.type !== "queued") yield event;
      }
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error;
      yield { type: "finished", reason: "cancelled", text: "", promptTokens: 0, completionTokens: 0 };
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#waiting.delete(steps);
      this.#queue.leave(turn);
      this.lastUsedAt = Date.now();
      this.#notify();
    }
  }

  /** Resolves when nothing runs and nothing waits. */
  async drained(): Promise<void> {
    while (this.running + this.waiting > 0) {
      await new Promise<void>((resolve) => this.#onState.add(resolve));
    }
  }

  /** Ends the process at once; requests still here fail. */
  async close(): Promise<void> {
    this.#setState("closed");
    this.#queue.setSlots(0);
    this.#wakeBackoff();
    await this.#process?.[Symbol.asyncDispose]();
    this.#refuseWaiting();
    await this.#running;
  }

  /** A request after the engine was given up is a new reason to try. */
  #revive(): void {
    if (this.state !== "failed") return;
    this.#setState("loading");
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    let crashes = 0;
    while (this.state !== "closed") {
      const startedAt = Date.now();
      try {
        const reason = await this.#serve();
        if (this.#isClosed()) return;
        crashes = Date.now() - startedAt > healthyMs ? 1 : crashes + 1;
        this.lastError = `The engine process stopped: ${reason}.`;
      } catch (error) {
        if (this.#isClosed()) return;
        crashes = error instanceof EngineCrashed ? crashes + 1 : maxCrashesInARow;
        this.lastError = describeLoadFailure(error);
        this.#toldError = error instanceof AppError ? error.message : null;
      }
      this.#log("error", this.lastError);
      if (crashes >= maxCrashesInARow) {
        this.#setState("failed");
        this.#refuseWaiting();
        return;
      }
      this.restarts++;
      this.#setState("restarting");
      await this.#backOff(Math.min(longestBackoffMs, firstBackoffMs * 2 ** (crashes - 1)));
      if (!this.#isClosed()) this.#setState("loading");
    }
  }

  /** One life of the process. @returns why it ended */
  async #serve(): Promise<string> {
    const { folder, basePlaces } = await this.#served.prepare();
    if (this.#isClosed()) return "it was not needed any more";
    const startedAt = Date.now();
    await using engine = new EngineProcess({
      entry: this.#served.entry,
      folder,
      basePlaces,
      options: this.#served.options,
      onLog: (line) => this.#log("warn", line),
    });
    this.#process = engine;
    try {
      this.info = await engine.loaded;
      this.lastError = null;
      this.#toldError = null;
      this.#log("info", `Serving ${this.info.name} after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
      this.#setState("ready");
      this.#queue.setSlots(this.#served.options.slots);
      return await engine.exited;
    } finally {
      this.#process = null;
      this.#queue.setSlots(0);
    }
  }

  #backOff(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wakeBackoff = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // A method, because the compiler does not see that `state` changes while something is awaited.
  #isClosed(): boolean {
    return this.state === "closed";
  }

  #setState(state: EngineState): void {
    this.state = state;
    this.#notify();
  }

  #notify(): void {
    const listeners = [...this.#onState];
    this.#onState.clear();
    for (const listener of listeners) listener();
  }

  #refuseWaiting(): void {
    for (const steps of this.#waiting) steps.end(this.#unavailable());
    this.#waiting.clear();
  }

  /** To the admin who loads it. */
  #notReady(): AppError {
    return new AppError("UNAVAILABLE", `The model cannot answer. ${this.lastError ?? "It was unloaded."}`);
  }

  /** To people who ask it. */
  #unavailable(): AppError {
    const remedy = this.#toldError ?? "Try again in a minute; an admin finds the reason on the models page.";
    return new AppError("UNAVAILABLE", `The model cannot answer right now. ${remedy}`, {
      cause: this.lastError === null ? undefined : new Error(this.lastError),
    });
  }

  #log(level: "info" | "warn" | "error", message: string): void {
    this.#served.onLog({ level, message, checkpointId: this.checkpointId });
  }
}

type Step = Extract<GenerationEvent, { type: "queued" }>;
class Cancelled extends Error {}

function describeLoadFailure(error: unknown): string {
  if (error instanceof EngineRefused) return `The checkpoint cannot be loaded: ${error.message}`;
  if (error instanceof EngineCrashed) return `The engine process stopped while loading: ${error.message}.`;
  return error instanceof Error ? error.message : String(error);
}
