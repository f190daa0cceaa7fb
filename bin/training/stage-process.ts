/** @file One stage process seen from its worker: start, stop, and how it ended. */
import { type ChildProcess, fork } from "node:child_process";
import { isDiskFull } from "@/model/checkpoint/errors";
import type { SavedCheckpoint } from "@/model/train/run-loop";
import { hugePages } from "../setup/huge-pages.mjs";
import type { FromStage, StageEvent, StageFailure, StageSummary, StageTask, ToStage } from "./stage-messages";

export type StageEnd =
  | { type: "ended"; summary: StageSummary }
  | { type: "failed"; failure: StageFailure }
  /** From outside, for want of memory as a rule. */
  | { type: "killed"; signal: string }
  /** Without a word: `reason` has what it printed last. */
  | { type: "crashed"; reason: string };

export type StageStart = {
  /** The compiled stage process: dist/stage.js. */
  entry: string;
  task: StageTask;
  onEvent: (event: StageEvent) => void;
  /** The stage waits until this resolves. */
  onSaved: (saved: SavedCheckpoint) => Promise<void>;
};

const keptOutput = 4000;

export class StageProcess implements AsyncDisposable {
  readonly ended: Promise<StageEnd>;
  readonly #child: ChildProcess;

  constructor({ entry, task, onEvent, onSaved }: StageStart) {
    this.#child = fork(entry, [], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      execArgv: ["--enable-source-maps"],
      env: { ...process.env, ...hugePages },
    });
    let output = "";
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-keptOutput);
    });
    let last: StageEnd | null = null;
    this.#child.on("message", (message: FromStage) => {
      if (message.type === "event") onEvent(message.event);
      else if (message.type === "ended" || message.type === "failed") last = message;
      else {
        onSaved(message.saved).then(
          () => this.#send({ type: "taken" }),
          (error: unknown) => {
            const message = `A saved checkpoint could not be taken over. ${error}`;
            last = { type: "failed", failure: { kind: isDiskFull(error) ? "diskFull" : "code", message } };
            this.kill();
          },
        );
      }
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve({ type: "crashed", reason: error.message }));
      this.#child.once("close", (code, signal) => resolve(last ?? describeEnd(code, signal, output)));
    });
    this.#send({ type: "start", task });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** It saves, and ends. */
  stop(): void {
    this.#send({ type: "stop" });
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.ended;
  }

  #send(message: ToStage): void {
    // A lost message needs no handling: the process is going, and `ended` says how.
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null, output: string): StageEnd {
  if (signal === "SIGKILL") return { type: "killed", signal };
  const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
  return { type: "crashed", reason: `The training process ${how}.\n${output}`.trim() };
}
