/** @file One scoring process seen from the web process: start, load, score, notice its end. */
import { type ChildProcess, fork } from "node:child_process";
import type { RewardReport } from "@/model/eval/reward/report";
import type { ScoreProgress } from "@/model/eval/reward/score-rankings";
import { AppError } from "../errors";
import { type EngineError, heartbeatMs } from "../generation/protocol";
import type {
  FromScorer,
  LoadScorer,
  ReportRequest,
  ResponseScore,
  ScoreRequest,
  ToScorer,
} from "./protocol";

export type ScorerStart = Omit<LoadScorer, "type"> & {
  /** The compiled scorer: dist/scorer.js. */
  entry: string;
  onLog: (line: string) => void;
};

type Waiting = {
  resolve: (answer: Extract<FromScorer, { type: "scored" | "reported" }>) => void;
  reject: (error: Error) => void;
  onProgress: ((progress: ScoreProgress) => void) | undefined;
};

/** One report's intervals may keep the process busy for this long without a heartbeat. */
const silentChecksAllowed = 180;
const stopGraceMs = 3000;

export class ScorerProcess implements AsyncDisposable {
  /** Rejects when the model cannot be loaded, or when the process ends before it is. */
  readonly loaded: Promise<void>;
  readonly exited: Promise<void>;
  rssBytes = 0;

  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #nextRequestId = 1;
  #silentChecks = 0;
  #hasExited = false;

  constructor({ entry, onLog, ...load }: ScorerStart) {
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
    this.loaded = new Promise((resolve, reject) => {
      this.#child.on("message", (message: FromScorer) => {
        this.#silentChecks = 0;
        if (message.type === "loaded") resolve();
        else if (message.type === "loadFailed") reject(toError(message.error));
        else this.#receive(message);
      });
      this.#child.once("exit", () => reject(stopped()));
      this.#child.once("error", reject);
    });
    // Who starts it awaits `loaded`; one that is stopped while loading has nobody left to tell.
    this.loaded.catch(() => {});
    const watchdog = setInterval(() => {
      if (++this.#silentChecks > silentChecksAllowed) this.#child.kill("SIGKILL");
    }, heartbeatMs);
    watchdog.unref();
    this.exited = new Promise((resolve) => {
      const end = () => {
        clearInterval(watchdog);
        this.#hasExited = true;
        for (const { reject } of this.#waiting.values()) reject(stopped());
        this.#waiting.clear();
        resolve();
      };
      this.#child.once("exit", end);
      this.#child.once("error", end);
    });
    this.#send({ type: "load", ...load });
  }

  /** @throws {AppError} BAD_REQUEST with the model's reason; UNAVAILABLE when the process ends meanwhile */
  async score(request: ScoreRequest, signal?: AbortSignal): Promise<ResponseScore[]> {
    const answer = await this.#ask((requestId) => ({ type: "score", requestId, request }), { signal });
    return answer.type === "scored" ? answer.scores : [];
  }

  /** @throws as `score` */
  async report(
    request: ReportRequest,
    options: { signal?: AbortSignal | undefined; onProgress?: (progress: ScoreProgress) => void } = {},
  ): Promise<RewardReport> {
    const answer = await this.#ask((requestId) => ({ type: "report", requestId, request }), options);
    if (answer.type !== "reported")
      throw new Error("A scoring process answered something else than a report");
    return answer.report;
  }

  /** Ends the process; what it is scoring fails. Resolves when its memory is free. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const force = setTimeout(() => this.#child.kill("SIGKILL"), stopGraceMs);
    await this.exited;
    clearTimeout(force);
  }

  #ask(
    make: (requestId: number) => ToScorer,
    {
      signal,
      onProgress,
    }: { signal?: AbortSignal | undefined; onProgress?: (progress: ScoreProgress) => void },
  ): Promise<Extract<FromScorer, { type: "scored" | "reported" }>> {
    if (this.#hasExited) return Promise.reject(stopped());
    signal?.throwIfAborted();
    const requestId = this.#nextRequestId++;
    const cancel = () => this.#send({ type: "cancel", requestId });
    signal?.addEventListener("abort", cancel, { once: true });
    return new Promise<Extract<FromScorer, { type: "scored" | "reported" }>>((resolve, reject) => {
      this.#waiting.set(requestId, { resolve, reject, onProgress });
      this.#send(make(requestId));
    }).finally(() => signal?.removeEventListener("abort", cancel));
  }

  #receive(message: Exclude<FromScorer, { type: "loaded" | "loadFailed" }>): void {
    if (message.type === "heartbeat") {
      this.rssBytes = message.rssBytes;
      return;
    }
    const waiting = this.#waiting.get(message.requestId);
    if (message.type === "progress") {
      waiting?.onProgress?.(message.progress);
      return;
    }
    this.#waiting.delete(message.requestId);
    if (message.type === "failed") waiting?.reject(toError(message.error));
    else waiting?.resolve(message);
  }

  #send(message: ToScorer): void {
    // A lost message needs no handling of its own: the process is going, and `exited` fails its requests.
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}

const stopped = () =>
  new AppError("UNAVAILABLE", "The scoring process stopped. Nothing was changed; score again.");

/** Refusals of the model library are written for people; of anything else they are told nothing. */
function toError({ name, message }: EngineError): Error {
  if (name === "AbortError") return new DOMException(message, "AbortError");
  if (toldNames.has(name)) return new AppError("BAD_REQUEST", message);
  return Object.assign(new Error(message), { name });
}

const toldNames = new Set([
  "UnusableScoreError",
  "NotARewardModelError",
  "NotAModelError",
  "CorruptFileError",
  "UnsupportedModelError",
  "BaseMissingError",
  "PromptTooLongError",
  "UnfitTemplateError",
  "ChatTemplateError",
  "AdapterError",
  "UnsupportedTokenizerError",
]);
