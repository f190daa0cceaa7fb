/** @file The compiled `attune` command as a process of its own: its lines as they come, signals, and how it ended. */
import { spawn } from "node:child_process";
import path from "node:path";
import readline from "node:readline";

const entry = path.resolve(import.meta.dirname, "../../dist/attune.js");

export type AttuneProcess = {
  kill(signal: "SIGKILL" | "SIGINT"): void;
  /** Resolves at the end of the process. */
  ended: Promise<AttuneResult>;
};
/** `code` is null where a signal ended it. */
export type AttuneResult = { code: number | null; lines: string[]; errors: string };

/** @param onLine called with each line of standard output */
export function startAttune(
  args: readonly string[],
  onLine: (line: string, attune: AttuneProcess) => void = () => {},
): AttuneProcess {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const output = readline.createInterface({ input: child.stdout });
  const ended = new Promise<AttuneResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, lines, errors }));
  });
  const attune: AttuneProcess = { kill: (signal) => void child.kill(signal), ended };
  output.on("line", (line) => {
    lines.push(line);
    onLine(line, attune);
  });
  return attune;
}

export const runAttune = (args: readonly string[]): Promise<AttuneResult> => startAttune(args).ended;
