/** @file The real server (dist/serve.js) on a data folder of its own, as `npm start` runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { z } from "zod";
import { projectRoot } from "@/server/project-root";
import { freePort } from "./free-port";
import { temporaryFolder } from "./temporary-folder";
import { testModel } from "./test-model";

const startLimitMs = 120_000;

const readySchema = z.object({
  attune: z.literal("ready"),
  url: z.string(),
  setupUrl: z.string().nullable(),
  pid: z.number(),
});

export type AttuneServer = AsyncDisposable & {
  /** The same over restarts. */
  url: string;
  setupUrl: string | null;
  /** Where it listens on the loopback address. */
  port: number;
  dataFolder: string;
  pid: number;
  /** What it printed since its last start. */
  output(): string;
  /** Asks it to stop, as Ctrl-C does. @returns its exit code */
  stop(): Promise<number | null>;
  /** Kills it without a word, engine and all. */
  kill(): Promise<void>;
  /** Starts it again on the same data folder and port. */
  start(): Promise<void>;
};

export type ServerOptions = { env?: Record<string, string> };

/** Those that were started and not yet disposed of: what a failed test prints. */
export const runningServers = new Set<AttuneServer>();

/** @throws {Error} with what the server printed, when it does not become ready */
export async function attuneServer({ env = {} }: ServerOptions = {}): Promise<AttuneServer> {
  const folder = await temporaryFolder();
  const port = await freePort();
  const settings = {
    PORT: String(port),
    ATTUNE_DATA: folder.path,
    ATTUNE_MODEL: await testModel(),
    ATTUNE_BACKUP_HOURS: "0",
    ...env,
  };
  let running = await launch(settings);
  const server: AttuneServer = {
    url: running.ready.url,
    setupUrl: running.ready.setupUrl,
    port,
    dataFolder: folder.path,
    pid: running.ready.pid,
    output: () => running.output(),
    async stop() {
      running.child.kill("SIGINT");
      return running.ended;
    },
    async kill() {
      running.child.kill("SIGKILL");
      await running.ended;
    },
    async start() {
      running = await launch(settings);
      server.pid = running.ready.pid;
      server.setupUrl = running.ready.setupUrl;
    },
    async [Symbol.asyncDispose]() {
      runningServers.delete(server);
      running.child.kill("SIGTERM");
      const forced = setTimeout(() => running.child.kill("SIGKILL"), 15_000);
      await running.ended;
      clearTimeout(forced);
      await folder[Symbol.asyncDispose]();
    },
  };
  runningServers.add(server);
  return server;
}

type Running = {
  child: ChildProcess;
  ready: z.infer<typeof readySchema>;
  ended: Promise<number | null>;
  output(): string;
};

async function launch(settings: Record<string, string>): Promise<Running> {
  const child = spawn(
    process.execPath,
    ["--enable-source-maps", path.join(projectRoot, "dist", "serve.js")],
    {
      cwd: projectRoot,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: "production", ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let text = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const ready = await new Promise<z.infer<typeof readySchema>>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`The server ${why}:\n${text.slice(-4000)}`));
    const limit = setTimeout(() => fail("was not ready in time"), startLimitMs);
    const collect = (chunk: Buffer) => {
      text += chunk;
      const line = text.split("\n").find((candidate) => candidate.startsWith('{"attune":"ready"'));
      // The line may still be on its way.
      if (!line?.endsWith("}")) return;
      clearTimeout(limit);
      resolve(readySchema.parse(JSON.parse(line)));
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    void ended.then((code) => {
      clearTimeout(limit);
      fail(`ended with code ${code} before it was ready`);
    });
  }).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  return { child, ready, ended, output: () => text };
}
