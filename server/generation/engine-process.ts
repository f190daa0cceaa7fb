/** @file One engine process seen from the web process: start, load, generate, notice its end. */
import { type ChildProcess, fork } from "node:child_process";
import { EventStream } from "@/model/runtime/event-stream";
import type { GenerationEvent, GenerationRequest, GeneratorInfo } from "@/model/runtime/types";
import {
  type EngineError,
  type EngineOptions,
  type FromEngine,
  heartbeatMs,
  type ToEngine,
} from "./protocol";

/** The process is gone; what it was answering can be asked again. */
export class EngineCrashed extends Error {
  override name = "EngineCrashed";
}

/** The engine answers, but not this request: it says why. */
export class EngineRefused extends Error {
  override name = "EngineRefused";
  constructor(readonly reason: EngineError) {
    super(reason.message);
  }
}

export type EngineStart = {
  /** The compiled engine: dist/engine.js. */
  entry: string;
  folder: string;
  /** Where the base of an adapter may lie. */
  basePlaces: readonly string[];
  options: EngineOptions;
  onLog: (line: string) => void;
};

/** Silent for so many checks, it hangs. Checks, not seconds: a laptop that slept must not kill its engine. */
const silentChecksAllowed = 60;
const loadChecksAllowed = 900;
const stopGraceMs = 3000;

export class EngineProcess implements AsyncDisposable {
  /** Rejects when the policy cannot be loaded, or when the process ends before it is. */
  readonly loaded: Promise<GeneratorInfo>;
  /** Resolves, with the reason, when the process is gone. */
  readonly exited: Promise<string>;
  /** Resident memory at the last heartbeat. */
  rssBytes = 0;

  readonly #child: ChildProcess;
  readonly #streams = new Map<number, EventStream<GenerationEvent>>();
  readonly #watchdog: NodeJS.Timeout;
  #nextRequestId = 1;
  #silentChecks = 0;
  #hasLoaded = false;
  #killedFor: string | null = null;

  constructor({ entry, folder, basePlaces, options, onLog }: EngineStart) {
    this.#child = fork(entry, [], {
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      execArgv: ["--enable-source-maps"],
    });
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output?.setEncoding("utf8").on("data", (text: string) => {
        for (const line of text.split("\n")) if (line.trim()) onLog(line);
      });
    }
    const { promise, resolve, reject } = promiseWithResolvers<GeneratorInfo>();
    this.loaded = promise;
    // Who starts an engine awaits `loaded`; one that is stopped while loading has nobody left to tell.
    this.loaded.catch(() => {});
    this.#child.on("message", (message: FromEngine) => {
      this.#silentChecks = 0;
      if (message.type === "loaded") {
        this.#hasLoaded = true;
        resolve(message.info);
      } else if (message.type === "loadFailed") {
        reject(new EngineRefused(message.error));
      } else this.#receive(message);
    });
    this.exited = new Promise((resolveExit) => {
      const end = (reason: string) => {
        clearInterval(this.#watchdog);
        const error = new EngineCrashed(reason);
        reject(error);
        for (const stream of this.#streams.values()) stream.end(error);
        this.#streams.clear();
        resolveExit(reason);
      };
      this.#child.once("error", (error) => end(`it could not be started (${error.message})`));
      this.#child.once("exit", (code, signal) =>
        end(this.#killedFor ?? (signal ? `it was killed (${signal})` : `it ended with code ${code}`)),
      );
    });
    this.#watchdog = setInterval(() => this.#check(), heartbeatMs);
    this.#watchdog.unref();
    this.#send({ type: "load", folder, basePlaces, options });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Aborting `signal` ends the stream within one token, with a `finished` event.
   * @throws {EngineCrashed} when the process ends meanwhile
   * @throws {EngineRefused} when the policy cannot answer this request
   */
  async *generate(
    request: GenerationRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, void> {
    const requestId = this.#nextRequestId++;
    const stream = new EventStream<GenerationEvent>();
    const cancel = () => this.#send({ type: "cancel", requestId });
    this.#streams.set(requestId, stream);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      stream.end(new EngineCrashed("it ended before the request reached it"));
    }
    this.#send({ type: "generate", requestId, request });
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      yield* stream;
    } finally {
      signal?.removeEventListener("abort", cancel);
      // Still listed: the reader left before the end.
      if (this.#streams.delete(requestId)) cancel();
    }
  }

  /** Ends the process; what it is answering fails. Resolves when its memory is free. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const force = setTimeout(() => this.#child.kill("SIGKILL"), stopGraceMs);
    await this.exited;
    clearTimeout(force);
  }

  #receive(message: Exclude<FromEngine, { type: "loaded" | "loadFailed" }>): void {
    if (message.type === "heartbeat") {
      this.rssBytes = message.rssBytes;
      return;
    }
    const stream = this.#streams.get(message.requestId);
    if (!stream) return;
    if (message.type === "event") stream.push(message.event);
    else {
      this.#streams.delete(message.requestId);
      stream.end(message.error && new EngineRefused(message.error));
    }
  }

  #send(message: ToEngine): void {
    // A lost message needs no handling of its own: the process is going, and `exited` fails its requests.
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  #check(): void {
    this.#silentChecks++;
    if (this.#silentChecks <= (this.#hasLoaded ? silentChecksAllowed : loadChecksAllowed)) return;
    this.#killedFor = `it was silent for ${(this.#silentChecks * heartbeatMs) / 1000} s`;
    this.#child.kill("SIGKILL");
  }
}

/** Promise.withResolvers, which Node 20 lacks. */
function promiseWithResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
