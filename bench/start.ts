/** @file A fresh clone, `npm start`, until the first token over the API; and how long a second start takes. */
import { execFileSync, spawn } from "node:child_process";
import path from "node:path";
import readline from "node:readline";
import { projectRoot } from "@/server/project-root";
import { apiVisitor, tokenOf } from "@/tests/helpers/api-visitor";
import { freePort } from "@/tests/helpers/free-port";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";
import { streamChat } from "./harness/stream-chat";

export type StartBench = {
  n: number;
  /** From `npm start` in a fresh clone to the first token. */
  freshSeconds: number;
  /** Seconds of each step, as `npm start` names it; some run at the same time. */
  phases: Record<string, number>;
  /** From `npm start` again to being ready. */
  secondStartSeconds: number;
  model: string;
};

/** Measures what is committed. `quick` changes nothing here: there is one fresh start to a clone. */
export default async function run(): Promise<StartBench> {
  await using folder = await temporaryFolder();
  const clone = path.join(folder.path, "attune");
  execFileSync("git", ["clone", "--quiet", "--no-hardlinks", projectRoot, clone]);
  const env = { ...process.env, PORT: String(await freePort()), ATTUNE_DATA: path.join(clone, "data") };

  const startedAt = performance.now();
  const first = await npmStart(clone, env);
  const key = await (await apiVisitor(first.url, tokenOf(first.setupUrl))).newKey();
  const { model } = await streamChat({ url: first.url, key, prompt: "Say hello.", maxTokens: 1 });
  const freshSeconds = seconds(performance.now() - startedAt);
  await first.stop();

  const againAt = performance.now();
  const second = await npmStart(clone, env);
  const secondStartSeconds = seconds(performance.now() - againAt);
  await second.stop();
  return { n: 1, freshSeconds, phases: first.phases, secondStartSeconds, model };
}

type Started = {
  url: string;
  setupUrl: string | null;
  phases: Record<string, number>;
  stop(): Promise<void>;
};

/** Resolves when the server says that it is ready; its lines are passed on, then and later. */
async function npmStart(clone: string, env: NodeJS.ProcessEnv): Promise<Started> {
  const child = spawn("npm", ["start"], {
    cwd: clone,
    env,
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  const phases: Record<string, number> = {};
  const lines = readline.createInterface({ input: child.stdout });
  const ready = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      console.error(line);
      const step = /✔ (.+) · ([\d.]+) s$/.exec(line);
      if (step?.[1]) phases[step[1]] = Number(step[2]);
      if (line.startsWith('{"attune":"ready"')) resolve(line);
    });
    lines.once("close", () => reject(new Error("npm start ended before the server was ready.")));
  });
  const { url, setupUrl } = JSON.parse(ready);
  const stop = async () => {
    // As a terminal does: Ctrl-C goes to the whole group, npm itself passes nothing on.
    if (child.pid) process.kill(-child.pid, "SIGINT");
    await ended;
  };
  return { url, setupUrl, phases, stop };
}

const seconds = (milliseconds: number): number => Number((milliseconds / 1000).toFixed(1));
