/** @file The real server around the fake policy as a child process, API routes only, on a data folder that outlives it. */

import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import { afterAll } from "vitest";
import { projectRoot } from "@/server/project-root";

export type FakeServer = AsyncDisposable & {
  url: string;
  setupUrl: string | null;
  child: ChildProcess;
  /** Exit code; null when it was killed. */
  ended: Promise<number | null>;
  output(): string;
};

/** Compiled inside the project, because npm packages are found from there. One per test process. */
const entry = path.join(projectRoot, "dist", `fake-server-${process.pid}.mjs`);
let compiled: Promise<unknown> | undefined;
afterAll(() => fs.rmSync(entry, { force: true }));

export async function startFakeServer(
  dataFolder: string,
  env: Record<string, string> = {},
): Promise<FakeServer> {
  compiled ??= build({
    entryPoints: [path.join(import.meta.dirname, "serve-fake.ts")],
    outfile: entry,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    logLevel: "silent",
    // It bundles the engine itself, from the sources.
    define: { "import.meta.dirname": JSON.stringify(import.meta.dirname) },
  });
  await compiled;
  const child = spawn(process.execPath, ["--enable-source-maps", entry, "routes"], {
    cwd: projectRoot,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: "0",
      ATTUNE_DATA: dataFolder,
      ATTUNE_BACKUP_HOURS: "0",
      NODE_ENV: "production",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const ready = await new Promise<{ url: string; setupUrl: string | null }>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const line = output.split("\n").find((text) => text.startsWith('{"attune":"ready"'));
      if (line?.endsWith("}")) resolve(JSON.parse(line));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    void ended.then((code) => reject(new Error(`The server ended with ${code}:\n${output}`)));
  });
  return {
    ...ready,
    child,
    ended,
    output: () => output,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
