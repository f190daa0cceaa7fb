/**
 * @file A real server for the GPU worker's tests: the protocol's routes over a database in memory. `npx tsx worker-server.ts <data folder>`;
 * a line of JSON, {config, rows}, queues a run, and a word is one of the commands below. Answers are lines of JSON.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { PGlite } from "@electric-sql/pglite";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/pglite";
import { z } from "zod";
import * as schema from "@/drizzle/schema";
import { migrateDatabase } from "@/server/db/migrate-database";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { createSnapshot } from "@/server/domain/datasets-make";
import { processState } from "@/server/process-state";
import { createRun } from "@/server/runs/create-run";
import { steerRun } from "@/server/runs/steer-run";
import { createWorker, revokeWorker } from "@/server/runs/workers";
import { handleRoutes } from "@/tests/helpers/route-handler";
import { makePerson } from "@/tests/helpers/test-context";

const [dataFolder = ""] = process.argv.slice(2);
process.env.ATTUNE_DATA = dataFolder;
const newRun = z.object({
  config: z.record(z.string(), z.unknown()),
  rows: z.array(z.record(z.string(), z.unknown())),
});

const client = await PGlite.create();
const db = drizzle({ client, schema, casing: "snake_case" });
await migrateDatabase(db);
Object.assign(processState(), { db, phase: "serving" });
const baseCheckpointId = await registerCheckpoint(db, path.join(dataFolder, "models", "tiny"), dataFolder);
const admin = await makePerson(db, { role: "admin" });
const act = { actorId: admin.id, dataFolder };
let [runId, workerId] = ["", ""];

/** A queued run and a worker of its own, which the other commands are about from now on. */
async function start(asked: unknown): Promise<object> {
  const { config, rows } = newRun.parse(asked);
  const content = rows.map((row) => ({ content: JSON.stringify(row), ownerId: null }));
  const dataset = { name: "Answers", kind: "demonstrations", description: "", actorId: null } as const;
  const { id: datasetId } = await createSnapshot(db, { ...dataset, rows: content });
  const run = { name: "Shouting", stage: "sft", config, baseCheckpointId, rewardModels: [] } as const;
  const datasets = [{ datasetId, role: "data" }] as const;
  const rest = { datasets, priority: 0, requirements: {}, acceptErased: false };
  ({ runId } = await createRun(db, { ...run, ...rest }, { ...act, servedPrecision: "fp32" }));
  const worker = await createWorker(db, { name: "GPU", actorId: null });
  workerId = worker.workerId;
  return { token: worker.token, runId };
}

/** While `isDown`, every connection is cut: the network is gone, or the server is. */
let isDown = false;
const setDown = async (value: boolean) => {
  isDown = value;
  return { isDown };
};
const server = createServer((incoming, outgoing) => {
  if (isDown) incoming.socket.destroy();
  else void handleRoutes(incoming, outgoing);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
const say = (answer: object) => console.log(JSON.stringify(answer));

const commands: Record<string, () => Promise<object>> = {
  run: async () => {
    const [run] = await db.select().from(schema.runs).where(eq(schema.runs.id, runId));
    const events = await db.select().from(schema.runEvents).where(eq(schema.runEvents.runId, runId));
    const metrics = await db.select().from(schema.runMetrics).where(eq(schema.runMetrics.runId, runId));
    const [worker] = await db.select().from(schema.workers).where(eq(schema.workers.id, workerId));
    return { run, events, metrics, worker };
  },
  pause: () => steerRun(db, { runId, steer: "pause" }, act),
  resume: () => steerRun(db, { runId, steer: "resume" }, act),
  cancel: () => steerRun(db, { runId, steer: "cancel" }, act),
  revoke: async () => {
    await revokeWorker(db, { workerId, actorId: admin.id });
    return {};
  },
  down: () => setDown(true),
  up: () => setDown(false),
};
say({ url: `http://127.0.0.1:${port}` });
for await (const line of createInterface({ input: process.stdin })) {
  const command = commands[line];
  const answer = command ? command() : start(JSON.parse(line));
  say(await answer.catch((error: unknown) => ({ error: String(error) })));
}
process.exit(0);
