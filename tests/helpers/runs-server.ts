/** @file A server with everything a run needs: an admin, a base checkpoint, a dataset; and its routes as functions. */
import fs from "node:fs/promises";
import path from "node:path";
import { afterAll } from "vitest";
import { writeCheckpoint } from "@/model/checkpoint/checkpoint-writer";
import type { SessionUser } from "@/server/context";
import type { Db } from "@/server/db/db";
import type { DatabaseHome } from "@/server/db/open-database";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { createSnapshot } from "@/server/domain/datasets-make";
import { processState } from "@/server/process-state";
import { createWorker } from "@/server/runs/workers";
import { FakeWorker } from "./fake-worker";
import { temporaryFolder } from "./temporary-folder";
import { callerFor, makePerson, testEnv } from "./test-context";
import { testDatabase } from "./test-database";

// The environment is read once per process, and so is the data folder: one for each test file.
const folder = await temporaryFolder();
process.env.ATTUNE_DATA = folder.path;
afterAll(() => folder[Symbol.asyncDispose]());

type Caller = ReturnType<typeof callerFor>;

export type RunsServer = AsyncDisposable & {
  db: Db;
  dataFolder: string;
  admin: SessionUser;
  asAdmin: Caller;
  /** Another admin. */
  asOther: Caller;
  baseCheckpointId: string;
  datasetId: string;
  /** A queued SFT run over the base and the dataset. */
  newRun: (change?: Partial<Parameters<Caller["runs"]["create"]>[0]>) => Promise<string>;
  newWorker: (name?: string) => Promise<FakeWorker>;
};

export const demonstration = (i: number) =>
  JSON.stringify({ prompt: `Question ${i}?`, response: `Answer ${i}. ä` });

/** One per test at a time: routes find its database in the process's state. */
export async function runsServer({ home }: { home?: DatabaseHome } = {}): Promise<RunsServer> {
  const database = await testDatabase(home);
  const { db } = database;
  Object.assign(processState(), { db, phase: "serving" });
  const dataFolder = folder.path;
  await fs.rm(dataFolder, { recursive: true, force: true });
  const env = testEnv({ ATTUNE_DATA: dataFolder });
  const admin = await makePerson(db, { role: "admin", name: "Ada" });
  const other = await makePerson(db, { role: "admin", name: "Grace" });
  const asAdmin = callerFor(db, admin, { env });
  const baseCheckpointId = await writeBase(db, dataFolder);
  const { id: datasetId } = await createSnapshot(db, {
    name: "Answers",
    kind: "demonstrations",
    description: "",
    actorId: admin.id,
    rows: Array.from({ length: 5 }, (_, i) => ({ content: demonstration(i), ownerId: null })),
  });
  return {
    db,
    dataFolder,
    admin,
    asAdmin,
    asOther: callerFor(db, other, { env }),
    baseCheckpointId,
    datasetId,
    newRun: async (change = {}) => {
      const input = { name: "Test", stage: "sft", baseCheckpointId, datasets: [{ datasetId }] } as const;
      return (await asAdmin.runs.create({ ...input, datasets: [...input.datasets], ...change })).runId;
    },
    newWorker: async (name = "W") => {
      const { token, workerId } = await createWorker(db, { name, actorId: null });
      return new FakeWorker(token, workerId);
    },
    async [Symbol.asyncDispose]() {
      Object.assign(processState(), { db: null });
      await database[Symbol.asyncDispose]();
    },
  };
}

/** An adapter that lies in data/models. `over` left out: over the server's base. */
export async function writeAdapter(
  { db, dataFolder, baseCheckpointId }: RunsServer,
  { name, over = baseCheckpointId }: { name: string; over?: string },
): Promise<{ id: string; folder: string }> {
  const folder = path.join(dataFolder, "models", name);
  const facts = {
    name,
    stage: "sft",
    parent: over,
    lineageBase: over,
    run: null,
    datasetSha256: null,
    sourceRevision: "test",
    threadCount: 1,
  } as const;
  await writeCheckpoint(folder, facts, async (files) => {
    await files.json("config.json", { model_type: "fake" });
    await files.json("adapter_config.json", {
      peft_type: "LORA",
      base_model_name_or_path: "Base",
      r: 4,
      lora_alpha: 8,
      target_modules: ["q_proj"],
    });
    await files.bytes("adapter_model.safetensors", [`weights of ${name}`]);
  });
  return { folder, id: await registerCheckpoint(db, folder, dataFolder) };
}

async function writeBase(db: Db, dataFolder: string): Promise<string> {
  const target = path.join(dataFolder, "models", "base");
  const facts = {
    name: "Base",
    stage: "base",
    parent: null,
    run: null,
    datasetSha256: null,
    sourceRevision: "test",
    threadCount: null,
  } as const;
  await writeCheckpoint(target, facts, async (files) => {
    await files.json("config.json", { model_type: "fake" });
    await files.bytes("model.safetensors", ["weights of the base"]);
  });
  return registerCheckpoint(db, target, dataFolder);
}
