/** @file Runs a command with its output in a log file, watching lines for progress; its children die with this process. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { root } from "./project.mjs";

const tailLines = 25;

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

/** Ends whatever still runs; for a command that was interrupted. @param {NodeJS.Signals} signal */
export function stopRunning(signal) {
  for (const child of running) child.kill(signal);
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{ log: string, env?: NodeJS.ProcessEnv, cwd?: string, onLine?: (line: string) => void }} options
 * @returns {Promise<{ code: number, tail: string }>} code 127 when the command does not exist; the last lines of its output
 */
export function runLogged(command, args, { log, env = process.env, cwd = root, onLine = () => {} }) {
  fs.mkdirSync(path.dirname(log), { recursive: true });
  const file = fs.createWriteStream(log);
  /** @type {string[]} */
  const tail = [];
  const keep = (/** @type {string} */ line) => {
    file.write(`${line}\n`);
    if (tail.push(line) > tailLines) tail.shift();
    onLine(line);
  };
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    readline.createInterface({ input: child.stdout }).on("line", keep);
    readline.createInterface({ input: child.stderr }).on("line", keep);
    const end = (/** @type {number} */ code) => {
      running.delete(child);
      file.end(() => resolve({ code, tail: tail.join("\n") }));
    };
    child.on("error", (error) => {
      keep(error.message);
      end(127);
    });
    child.on("close", (code, signal) => end(code ?? (signal ? 128 : 1)));
  });
}
