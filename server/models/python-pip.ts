/** @file Finds a Python package client on this machine: pip under one of its names, or uv. */
import { spawn } from "node:child_process";

export type PipCommand = { command: string; args: string[] };

const candidates: PipCommand[] = [
  { command: "pip", args: [] },
  { command: "pip3", args: [] },
  { command: "python3", args: ["-m", "pip"] },
  { command: "python", args: ["-m", "pip"] },
  { command: "py", args: ["-m", "pip"] },
  { command: "uvx", args: ["pip"] },
];

/** The first that answers to `--version`; null when there is none. */
export async function findPip(): Promise<PipCommand | null> {
  for (const candidate of candidates) {
    if (await answers(candidate)) return candidate;
  }
  return null;
}

function answers({ command, args }: PipCommand): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, [...args, "--version"], { stdio: "ignore", timeout: 20_000 });
    child.on("error", () => resolve(false)).on("exit", (code) => resolve(code === 0));
  });
}
