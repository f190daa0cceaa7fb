/** @file A real server process with its real trainer process behind a line that can be cut; an admin, a base, and data. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { RunDetail } from "@/server/runs/read-runs";
import type { TimelineKind, TimelineRow } from "@/server/runs/timeline";
import { type ApiVisitor, apiVisitor, tokenOf } from "./api-visitor";
import { childOf } from "./child-of";
import { type CutProxy, cutProxy } from "./cut-proxy";
import { type FakeServer, startFakeServer } from "./fake-server";
import { freePort } from "./free-port";
import { temporaryFolder } from "./temporary-folder";

export type TrainerServer = AsyncDisposable & {
  dataFolder: string;
  admin: ApiVisitor;
  line: CutProxy;
  /** Id of the checkpoint in this folder. */
  register(folder: string): Promise<string>;
  /** @param kind default: demonstrations */
  upload(rows: readonly object[], kind?: "demonstrations" | "rankings"): Promise<string>;
  read(runId: string): Promise<RunDetail>;
  timeline(runId: string, kinds?: TimelineKind[]): Promise<TimelineRow[]>;
  /** Polls until the run is as told. @throws when it takes too long, with what the run looks like then */
  until(runId: string, isSo: (run: RunDetail) => boolean, limitMs?: number): Promise<RunDetail>;
  /** Of the trainer, or null where there is none just now. */
  trainerPid(): number | null;
  /** Of the process that computes. */
  stagePid(): number | null;
  /** @returns whether there was such a process */
  kill(script: "trainer.js" | "stage.js", signal: NodeJS.Signals): boolean;
  /** Ends the server, SIGKILL: without a word, and starts it again on the same data. */
  restart(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  output(): string;
};

/** @param dataFolder left out: one that goes with the server */
export async function trainerServer({
  env = {},
  dataFolder,
}: {
  env?: Record<string, string>;
  dataFolder?: string;
} = {}): Promise<TrainerServer> {
  const folder = dataFolder
    ? { path: dataFolder, async [Symbol.asyncDispose]() {} }
    : await temporaryFolder();
  const port = await freePort();
  const line = await cutProxy(port);
  const settings = { PORT: String(port), TEST_TRAINER_URL: line.url, LOG_LEVEL: "info", ...env };
  let server: FakeServer = await startFakeServer(folder.path, settings);
  const admin = await apiVisitor(server.url, tokenOf(server.setupUrl));
  const trainerPid = () => childOf(server.child.pid, "trainer.js");
  const stagePid = () => {
    const trainer = trainerPid();
    return trainer === null ? null : childOf(trainer, "stage.js");
  };
  const read = (runId: string) => admin.call.runs.get.query({ runId });
  return {
    dataFolder: folder.path,
    admin,
    line,
    async register(checkpoint) {
      const file: { token: string } = JSON.parse(readFileSync(path.join(folder.path, "server.json"), "utf8"));
      const response = await fetch(`${server.url}/api/control`, {
        method: "POST",
        headers: { authorization: `Bearer ${file.token}`, "content-type": "application/json" },
        body: JSON.stringify({ command: "useModel", folder: checkpoint, channel: "test" }),
      });
      const answer = (await response.json()) as { checkpointId: string };
      if (!response.ok) throw new Error(`The base was not registered: ${JSON.stringify(answer)}`);
      return answer.checkpointId;
    },
    async upload(rows, kind = "demonstrations") {
      const { datasetId } = await admin.call.datasets.start.mutate({ name: "Data", kind });
      const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
      await admin.call.datasets.addLines.mutate({ datasetId, part: 0, text });
      await admin.call.datasets.seal.mutate({ datasetId });
      return datasetId;
    },
    read,
    async timeline(runId, kinds) {
      const rows: TimelineRow[] = [];
      for (let before: number | null = null; ; ) {
        const page: { rows: TimelineRow[]; nextBefore: number | null } = await admin.call.runs.timeline.query(
          {
            runId,
            kinds,
            before,
            limit: 500,
          },
        );
        rows.push(...page.rows);
        before = page.nextBefore;
        if (before === null) return rows.reverse();
      }
    },
    async until(runId, isSo, limitMs = 90_000) {
      const limit = Date.now() + limitMs;
      for (;;) {
        const run = await read(runId);
        if (isSo(run)) return run;
        if (Date.now() > limit) {
          const { status, reason, step, attempts } = run;
          const facts = JSON.stringify({ status, reason, step, attempts });
          throw new Error(`The run was waited for in vain: ${facts}\n${server.output().slice(-4000)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    trainerPid,
    stagePid,
    kill(script, signal) {
      const pid = script === "trainer.js" ? trainerPid() : stagePid();
      if (pid === null) return false;
      process.kill(pid, signal);
      return true;
    },
    async restart(signal) {
      server.child.kill(signal);
      await server.ended;
      server = await startFakeServer(folder.path, settings);
    },
    output: () => server.output(),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await line[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
