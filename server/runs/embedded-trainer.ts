/**
 * @file The trainer of this machine, seen from the web process: started when there is a run for it, started again when it
 * ends unasked, told to save when the server stops. It costs no memory while nothing is to be trained.
 */
import { type ChildProcess, fork } from "node:child_process";
import { and, eq, or, sql } from "drizzle-orm";
import { runs } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { loseLease } from "./lease";
import { listenToRuns, publishRun } from "./run-changes";
import { trainableStages } from "./stage-settings";
import type { FromTrainer, ToTrainer } from "./trainer-messages";
import { issueEmbeddedToken } from "./workers";

export type TrainerStatus = {
  /** `idle`: no process, or one that waits for work. `restarting`: it ended unasked, and is about to be started again. */
  state: "idle" | "working" | "restarting";
  pid: number | null;
  /** Of all its processes; 0 while there is none. */
  residentBytes: number;
  /** Times it ended unasked. */
  restarts: number;
};

export type TrainerOptions = {
  db: Db;
  /** The compiled trainer: dist/trainer.js. */
  entry: string;
  /** Where it reaches this server. */
  url: string;
  /** For its work, inside the data folder. */
  folder: string;
  threads: number;
  log: { info(facts: object, text: string): void; warn(facts: object, text: string): void };
};

const checkEveryMs = 2_000;
const firstWaitMs = 250;
const longestWaitMs = 30_000;
/** For its last checkpoint; what it cannot save by then is computed again. */
const stopMs = 8_000;
const idle = { isWorking: false, hasTrained: false, residentBytes: 0 };

export class EmbeddedTrainer implements AsyncDisposable {
  readonly #options: TrainerOptions;
  readonly #token: string;
  readonly #workerId: string;
  readonly #closed = new AbortController();
  #child: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();
  /** In a row, without a step in between: whoever falls over its own feet is given ever more time. */
  #quickEnds = 0;
  #restarts = 0;
  #notBefore = 0;
  #state = idle;
  #watching: Promise<void>;

  private constructor(options: TrainerOptions, { token, workerId }: { token: string; workerId: string }) {
    this.#options = options;
    this.#token = token;
    this.#workerId = workerId;
    this.#watching = this.#watch();
  }

  /** Call it once the server listens. Trainers of earlier starts are refused from now on. */
  static async start(options: TrainerOptions): Promise<EmbeddedTrainer> {
    return new EmbeddedTrainer(options, await issueEmbeddedToken(options.db));
  }

  status(): TrainerStatus {
    const { isWorking, residentBytes } = this.#state;
    const isWaiting = this.#child === null && Date.now() < this.#notBefore;
    return {
      state: isWaiting ? "restarting" : isWorking ? "working" : "idle",
      pid: this.#child?.pid ?? null,
      residentBytes: this.#child ? residentBytes : 0,
      restarts: this.#restarts,
    };
  }

  /** Starts a process whenever there is something to do and none is there. */
  async #watch(): Promise<void> {
    const { signal } = this.#closed;
    const changes = listenToRuns(null, signal);
    let changed = changes.next();
    while (!signal.aborted) {
      try {
        if (!this.#child && Date.now() >= this.#notBefore && (await this.#hasWork()) && !signal.aborted)
          this.#spawn();
      } catch (err) {
        this.#options.log.warn({ err }, "the queue of runs could not be read");
      }
      const isChange = await Promise.race([changed.then(() => true), wait(checkEveryMs, signal)]);
      if (isChange) {
        changed = changes.next();
        // Changes come in bursts while a run trains; reading the queue for each would be for nothing.
        await wait(firstWaitMs, signal);
      }
    }
    await changes.return();
  }

  /** A run it may claim, or one that its process before this one held. */
  async #hasWork(): Promise<boolean> {
    const [run] = await this.#options.db
      .select({ id: runs.id })
      .from(runs)
      .where(
        or(
          eq(runs.workerId, this.#workerId),
          and(
            eq(runs.status, "queued"),
            sql`${runs.stage} in ${trainableStages}`,
            sql`coalesce(${runs.notBefore}, now()) <= now()`,
            sql`coalesce(${runs.requirements} ->> 'device', 'cpu') = 'cpu'`,
            sql`coalesce(${runs.requirements} ->> 'workerId', ${this.#workerId}) = ${this.#workerId}`,
          ),
        ),
      )
      .limit(1);
    return run !== undefined;
  }

  #spawn(): void {
    const { entry, url, folder, threads, log } = this.#options;
    const child = fork(entry, [], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      execArgv: ["--enable-source-maps"],
    });
    this.#child = child;
    for (const output of [child.stdout, child.stderr]) {
      output?.setEncoding("utf8").on("data", (text: string) => log.warn({ trainer: child.pid }, text.trim()));
    }
    child.on("message", (message: FromTrainer) => {
      if (message.type === "log") log.info({ trainer: child.pid }, message.line);
      else this.#state = message;
    });
    this.#exited = new Promise((resolve) => {
      const end = (reason: string | null) => {
        child.removeAllListeners();
        void this.#noteEnd(reason).then(resolve);
      };
      child.once("error", (error) => end(`could not be started (${error.message})`));
      child.once("exit", (code, killedBy) =>
        end(killedBy ? `was killed (${killedBy})` : code === 0 ? null : `ended with code ${code}`),
      );
    });
    this.#tell({ type: "start", url, token: this.#token, folder, threads });
  }

  /** @param reason null: it had nothing more to do, or was asked to end */
  async #noteEnd(reason: string | null): Promise<void> {
    const { hasTrained } = this.#state;
    this.#child = null;
    this.#state = idle;
    if (reason === null || this.#closed.signal.aborted) return;
    this.#restarts++;
    this.#quickEnds = hasTrained ? 1 : this.#quickEnds + 1;
    this.#notBefore = Date.now() + Math.min(longestWaitMs, firstWaitMs * 2 ** (this.#quickEnds - 1));
    this.#options.log.warn({ reason }, "the trainer ended");
    await this.#takeBack(reason).catch((err: unknown) =>
      this.#options.log.warn({ err }, "the trainer's run was not taken back; its lease will end"),
    );
  }

  /** Nobody works on its run: it need not wait for its lease to end. */
  async #takeBack(reason: string): Promise<void> {
    const ids = await this.#options.db.transaction(async (tx) => {
      const held = await tx.select().from(runs).where(eq(runs.workerId, this.#workerId)).for("update");
      for (const run of held) {
        const text = `The trainer of this machine ${reason} after step ${run.step}. It is started again.`;
        await loseLease(tx, run, { what: "workerLost", text });
      }
      return held.map(({ id }) => id);
    });
    for (const id of ids) publishRun(id);
  }

  #tell(message: ToTrainer): void {
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  /** Lets it save and give its run back, as long as the server still listens. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#watching;
    this.#tell({ type: "stop" });
    const child = this.#child;
    const force = setTimeout(() => child?.kill("SIGKILL"), stopMs);
    await this.#exited;
    clearTimeout(force);
  }
}

/** @returns false, when the time is over or the signal comes */
function wait(ms: number, signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve(false);
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
