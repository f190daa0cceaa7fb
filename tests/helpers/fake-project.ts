/** @file A copy of the start script around a project whose npm, pages, model and server are small fakes in plain sight. */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs/promises";
import path from "node:path";
import { freePort } from "./free-port";
import { temporaryFolder } from "./temporary-folder";

const projectRoot = path.resolve(import.meta.dirname, "..", "..");

/** Each fake says in `steps.txt` that it ran. What a test wants to go wrong comes by the environment. */
const fakes = {
  // The real esbuild compiles the fake processes; the pages are built by a fake Next.
  "fake-npm.cjs": `
    const fs = require("node:fs");
    fs.appendFileSync("steps.txt", "npm " + process.argv[2] + "\\n");
    if (process.env.FAKE_NPM === "hang") setTimeout(() => {}, 60_000);
    else if (process.env.FAKE_NPM === "offline") {
      console.error("npm error code ENOTFOUND\\nnpm error network request to the registry failed");
      process.exitCode = 1;
    } else {
      fs.rmSync("node_modules", { recursive: true, force: true });
      fs.mkdirSync("node_modules/next/dist/bin", { recursive: true });
      fs.symlinkSync(process.env.REAL_ESBUILD, "node_modules/esbuild");
      fs.copyFileSync("fake-next.cjs", "node_modules/next/dist/bin/next");
    }`,
  "fake-next.cjs": `
    const fs = require("node:fs");
    fs.appendFileSync("steps.txt", "next " + process.argv[2] + "\\n");
    if (process.env.FAKE_NEXT === "fail") { console.log("./app/page.tsx: Unexpected token"); process.exitCode = 1; }`,
  "bin/attune.ts": `
    import fs from "node:fs";
    fs.appendFileSync("steps.txt", process.argv.slice(2, 4).join(" ") + "\\n");
    if (process.env.FAKE_MODEL === "fail") { console.error("no model anywhere"); process.exit(1); }
    fs.mkdirSync(process.env.ATTUNE_DATA + "/models/some", { recursive: true });
    fs.writeFileSync(process.env.ATTUNE_DATA + "/models/some/attune.json", "{}");`,
  "bin/serve.ts": `
    import fs from "node:fs";
    fs.appendFileSync("steps.txt", "serve\\n");
    if (process.env.FAKE_SERVE === "crash") process.exit(3);
    let signals = 0;
    process.on("SIGINT", () => { signals++; setTimeout(() => { console.log("signals " + signals); process.exit(0); }, 300); });
    process.on("disconnect", () => process.exit());
    setInterval(() => {}, 1000);
    console.log("serving");`,
  "bench/some.ts": "export {};",
  "package.json": `{ "name": "fake", "type": "module" }`,
  "package-lock.json": "{}",
  "app/page.tsx": "export default () => null;",
};

export type Started = {
  child: ChildProcess;
  /** Resolves with everything printed so far once it contains `text`; rejects when the process ends without it. */
  says(text: string): Promise<string>;
  /** Resolves when the process has ended. */
  ended: Promise<{ code: number | null; output: string }>;
};

export type FakeProject = AsyncDisposable & {
  folder: string;
  start(env?: Record<string, string>, nodeArgs?: string[]): Started;
  /** What the fakes did since the last call. */
  steps(): Promise<string[]>;
};

export async function fakeProject(): Promise<FakeProject> {
  const temporary = await temporaryFolder();
  const folder = temporary.path;
  await fs.cp(path.join(projectRoot, "bin", "setup"), path.join(folder, "bin", "setup"), { recursive: true });
  for (const script of ["start.mjs", "build.mjs"]) {
    await fs.copyFile(path.join(projectRoot, "bin", script), path.join(folder, "bin", script));
  }
  for (const [file, text] of Object.entries(fakes)) {
    await fs.mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await fs.writeFile(path.join(folder, file), text);
  }
  const port = await freePort();
  const running = new Set<ChildProcess>();
  return {
    folder,
    start(env = {}, nodeArgs = []) {
      const child = spawn(process.execPath, [...nodeArgs, path.join(folder, "bin", "start.mjs")], {
        cwd: folder,
        env: {
          NODE_ENV: "production",
          PATH: process.env.PATH,
          PORT: String(port),
          ATTUNE_DATA: path.join(folder, "data"),
          REAL_ESBUILD: path.join(projectRoot, "node_modules", "esbuild"),
          npm_execpath: path.join(folder, "fake-npm.cjs"),
          ...env,
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      running.add(child);
      return watch(child);
    },
    async steps() {
      const file = path.join(folder, "steps.txt");
      const text = await fs.readFile(file, "utf8").catch(() => "");
      await fs.rm(file, { force: true });
      return text.trim().split("\n").filter(Boolean);
    },
    async [Symbol.asyncDispose]() {
      for (const child of running) child.kill("SIGKILL");
      await temporary[Symbol.asyncDispose]();
    },
  };
}

function watch(child: ChildProcess): Started {
  let output = "";
  const waiting = new Set<() => void>();
  const collect = (chunk: Buffer) => {
    output += chunk;
    for (const check of waiting) check();
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  const ended = new Promise<{ code: number | null; output: string }>((resolve) =>
    child.on("close", (code) => resolve({ code, output })),
  );
  return {
    child,
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!output.includes(text)) return;
          waiting.delete(check);
          resolve(output);
        };
        waiting.add(check);
        check();
        void ended.then(() => reject(new Error(`Ended without saying "${text}":\n${output}`)));
      }),
  };
}
