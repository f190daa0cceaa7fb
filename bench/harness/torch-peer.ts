/** @file PyTorch's side of a benchmark: a script of bench/peers that answers a line of JSON to each line it reads. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import path from "node:path";
import readline from "node:readline";
import type { z } from "zod";
import { torchPython } from "./torch-python";

export class TorchPeer implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves when it is ready. @param first lines that it reads before */
  static async open(
    script: string,
    args: readonly string[],
    first: readonly string[] = [],
  ): Promise<TorchPeer> {
    // As whoever runs a script of PyTorch has it; huge pages are what our stages ask for by themselves.
    const env = { ...process.env, GLIBC_TUNABLES: "" };
    const child = spawn(torchPython(), [path.resolve("bench/peers", script), ...args], { env });
    child.stderr.pipe(process.stderr);
    const peer = new TorchPeer(child);
    for (const line of first) child.stdin.write(`${line}\n`);
    while ((await peer.#next()) !== "ready");
    return peer;
  }

  async ask<S extends z.ZodType>(line: string, answer: S): Promise<z.output<S>> {
    this.#child.stdin.write(`${line}\n`);
    return answer.parse(JSON.parse(await this.#next()));
  }

  async #next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`PyTorch's side ended with code ${this.#child.exitCode}`);
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill();
  }
}
