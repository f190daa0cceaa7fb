/** @file Checkpoints coming in: parts sent twice, bytes that are not theirs, servers and leases that go away in between. */
import fs from "node:fs/promises";
import path from "node:path";
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { checkpoints, runUploadParts, runUploads } from "@/drizzle/schema";
import { verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { checkpointFolder, incomingFolder } from "@/server/runs/artifacts";
import { partBytes } from "@/server/runs/protocol";
import { sweepUploads } from "@/server/runs/uploads";
import { issueEmbeddedToken } from "@/server/runs/workers";
import { FakeWorker } from "../../helpers/fake-worker";
import { type RunsServer, runsServer } from "../../helpers/runs-server";

/** Of more than one part, and of no length that a part has. */
const big = Buffer.alloc(partBytes + 1000, 7);
big.writeUInt32LE(123456, partBytes - 2);

async function setUp(server: RunsServer) {
  const runId = await server.newRun();
  const worker = await server.newWorker();
  const run = await worker.claim();
  return { runId, worker, run };
}

describe("a checkpoint", () => {
  it("comes in by parts, and lies there whole, verified and named by its manifest", async () => {
    await using server = await runsServer();
    const { worker, run } = await setUp(server);
    const id = await worker.upload(run, { step: 4, weights: big });
    const folder = checkpointFolder(server.dataFolder, id);
    const manifest = await verifyCheckpoint(folder);
    expect(manifest).toMatchObject({ ...run.facts, stage: "sft" });
    expect((await fs.readFile(path.join(folder, "model.safetensors"))).equals(big)).toBe(true);
    expect((await fs.readdir(folder)).sort()).toEqual([
      "attune.json",
      "config.json",
      "model.safetensors",
      "state",
    ]);
    expect(Object.keys(manifest.files)).not.toContain("state/state.json");
    expect(await server.db.$count(runUploadParts)).toBe(0);
    await expect(fs.readdir(path.dirname(incomingFolder(server.dataFolder, "x")))).resolves.toEqual([]);
  });

  it("goes on where it stopped: a part sent twice is absorbed, and what the server has is not asked for", async () => {
    await using server = await runsServer();
    const { worker, run } = await setUp(server);
    const made = worker.checkpoint(run, { weights: big });
    const first = await worker.open(run, made, { step: 1 });
    // The base's config.json has the same bytes.
    expect(first.body.missing).toEqual({ "model.safetensors": [0, 1], "state/state.json": [0] });
    const part = { file: "model.safetensors", part: 1, bytes: big.subarray(partBytes) };
    const { uploadId } = first.body;
    expect((await worker.put(run, uploadId, part)).body).toEqual({ absorbed: false });
    expect((await worker.put(run, uploadId, part)).body).toEqual({ absorbed: true });
    const second = await worker.open(run, made, { step: 1 });
    expect(second.body).toMatchObject({
      uploadId,
      missing: { "model.safetensors": [0], "state/state.json": [0] },
    });
    const early = await worker.post(`uploads/${uploadId}/complete`, { fencing: run.fencing });
    expect([early.status, early.body.error]).toMatchObject([
      409,
      { code: "incomplete", missing: { "model.safetensors": [0], "state/state.json": [0] } },
    ]);
    const id = await worker.upload(run, { step: 1, weights: big });
    expect(await worker.open(run, made, { step: 1 })).toMatchObject({
      body: { isComplete: true, missing: {} },
    });
    const again = await worker.post(`uploads/${uploadId}/complete`, { fencing: run.fencing });
    expect([again.status, again.body.checkpointId]).toEqual([200, id]);
    expect(await server.db.$count(checkpoints, eq(checkpoints.runId, run.id))).toBe(1);
  });

  it("is refused where bytes differ from their sha256, of a part and of the whole, by name", async () => {
    await using server = await runsServer();
    const { worker, run } = await setUp(server);
    const made = worker.checkpoint(run, { weights: "right" });
    const { uploadId } = (await worker.open(run, made, { step: 1 })).body;
    const file = "model.safetensors";
    const digest = "0".repeat(64);
    const cut = await worker.put(run, uploadId, { file, part: 0, bytes: Buffer.from("right"), digest });
    expect([cut.status, cut.body.error]).toMatchObject([422, { code: "sha256Mismatch", file, part: 0 }]);
    await worker.put(run, uploadId, { file, part: 0, bytes: Buffer.from("wrong") });
    await worker.put(run, uploadId, { file: "state/state.json", part: 0, bytes: Buffer.from("state") });
    const ended = await worker.post(`uploads/${uploadId}/complete`, { fencing: run.fencing });
    expect([ended.status, ended.body.error]).toMatchObject([422, { code: "sha256Mismatch", file }]);
    expect(ended.body.error?.message).toContain("model.safetensors has sha256");
    expect(await server.db.$count(checkpoints, eq(checkpoints.runId, run.id))).toBe(0);
    expect((await worker.open(run, made, { step: 1 })).body.missing).toEqual({ [file]: [0] });
    expect(await worker.upload(run, { step: 1, weights: "right" })).toBe(made.id);
  });

  it.each([
    ["another run", { run: "00000000-0000-4000-8000-000000000000" }, /says run 00000000/],
    ["another parent", { parent: "a".repeat(64) }, /says parent aaaa/],
    ["another dataset", { datasetSha256: "a".repeat(64) }, /says datasetSha256 aaaa/],
    ["another stage", { stage: "ppo" }, /says stage ppo; this run's is sft/],
    ["a file outside", { files: { "../x": { sha256: "a".repeat(64), sizeBytes: 1 } } }, /does not fit/],
    [
      "a listed state",
      { files: { "state/x": { sha256: "a".repeat(64), sizeBytes: 1 } } },
      /does not list it/,
    ],
    [
      "itself in its list",
      { files: { "attune.json": { sha256: "a".repeat(64), sizeBytes: 1 } } },
      /does not list itself/,
    ],
  ])("that names %s is refused", async (_what, change, message) => {
    await using server = await runsServer();
    const { worker, run } = await setUp(server);
    const made = worker.checkpoint(run, { weights: "x" });
    const manifest = JSON.stringify({ ...JSON.parse(made.manifest), ...change });
    const { status, body } = await worker.open(run, { ...made, manifest }, { step: 1 });
    expect([status, body.error?.code]).toEqual([400, "invalid"]);
    expect(body.error?.message).toMatch(message);
    expect(await server.db.$count(runUploads)).toBe(0);
  });

  it("takes no part that its file does not have", async () => {
    await using server = await runsServer();
    const { worker, run } = await setUp(server);
    const made = worker.checkpoint(run, { weights: big });
    const { uploadId } = (await worker.open(run, made, { step: 1 })).body;
    const put = async (file: string, part: number, bytes: Buffer) =>
      (await worker.put(run, uploadId, { file, part, bytes })).body.error?.message;
    expect(await put("model.safetensors", 2, Buffer.from("x"))).toMatch(/has 2 parts/);
    expect(await put("model.safetensors", 0, Buffer.from("x"))).toMatch(/has 1 bytes instead of 8388608/);
    expect(await put("other", 0, Buffer.from("x"))).toMatch(/has no file other/);
    expect(await put("../x", 0, Buffer.from("x"))).toMatch(/relative path/);
    const tooMuch = await worker.put(run, uploadId, {
      file: "model.safetensors",
      part: 0,
      bytes: Buffer.alloc(partBytes + 1),
    });
    expect([tooMuch.status, tooMuch.body.error?.code]).toEqual([413, "tooLarge"]);
  });

  it("marks the best of its run, one at a time", async () => {
    await using server = await runsServer();
    const { runId, worker, run } = await setUp(server);
    const ids = [];
    for (const [step, isBest] of [
      [1, true],
      [2, true],
      [3, false],
    ] as const) {
      ids.push(await worker.upload(run, { step, isBest, weights: `w${step}` }));
    }
    const { checkpoints: made } = await server.asAdmin.runs.get({ runId });
    expect(made.map(({ id, isBest }) => [id, isBest])).toEqual([
      [ids[2], false],
      [ids[1], true],
      [ids[0], false],
    ]);
  });

  it("that turned out to be the best only later is marked when it is saved again", async () => {
    await using server = await runsServer();
    const { runId, worker, run } = await setUp(server);
    const early = await worker.upload(run, { step: 1, isBest: true, weights: "w1" });
    const paused = await worker.upload(run, { step: 2, isBest: false, weights: "w2" });
    expect(await worker.upload(run, { step: 2, isBest: true, weights: "w2" })).toBe(paused);
    const { checkpoints: made } = await server.asAdmin.runs.get({ runId });
    expect(made.map(({ id, isBest }) => [id, isBest])).toEqual([
      [paused, true],
      [early, false],
    ]);
  });

  it("never writes into what it shares with another one", async () => {
    await using server = await runsServer();
    const { worker, run } = await setUp(server);
    const first = await worker.upload(run, { step: 1, weights: "same" });
    const made = worker.checkpoint(run, { weights: "same", state: "other" });
    const other = { ...made, manifest: made.manifest.replace('"name":"Test"', '"name":"Other"') };
    const { uploadId, missing } = (await worker.open(run, other, { step: 2 })).body;
    expect(Object.keys(missing)).toEqual(["state/state.json"]);
    const sent = await worker.put(run, uploadId, {
      file: "model.safetensors",
      part: 0,
      bytes: Buffer.from("evil"),
    });
    expect(sent.body).toEqual({ absorbed: true });
    await verifyCheckpoint(checkpointFolder(server.dataFolder, first));
  });

  it("whose server was killed between moving and recording it is recorded by the next try", async () => {
    await using server = await runsServer();
    const { worker, run } = await setUp(server);
    const made = worker.checkpoint(run, { weights: big });
    const id = await worker.upload(run, { step: 2, weights: big });
    // As the kill left it: the folder in its place, no row that names it.
    await server.db.delete(checkpoints).where(eq(checkpoints.id, id));
    const [upload] = await server.db.update(runUploads).set({ completedAt: null }).returning();
    await server.db
      .insert(runUploadParts)
      .values({ uploadId: upload?.id ?? "", file: "model.safetensors", part: 0, sha256: id });
    expect((await worker.open(run, made, { step: 2 })).body).toMatchObject({
      isComplete: false,
      missing: {},
    });
    expect(await worker.upload(run, { step: 2, weights: big })).toBe(id);
    // With another training state it is another upload of the same weights: what lies there is replaced.
    await server.db.delete(checkpoints).where(eq(checkpoints.id, id));
    await server.db.update(runUploads).set({ completedAt: null });
    expect(await worker.upload(run, { step: 2, weights: big, state: "newer" })).toBe(id);
    const folder = checkpointFolder(server.dataFolder, id);
    await verifyCheckpoint(folder);
    expect(await fs.readFile(path.join(folder, "state/state.json"), "utf8")).toBe("newer");
  });

  it("that was never ended is removed when its run is over", async () => {
    await using server = await runsServer();
    const { runId, worker, run } = await setUp(server);
    const { uploadId } = (await worker.open(run, worker.checkpoint(run, { weights: "x" }), { step: 1 })).body;
    expect(await sweepUploads(server.db, server.dataFolder)).toBe(0);
    await server.asAdmin.runs.cancel({ runId });
    await worker.end(run, "release", { outcome: "cancelled" });
    expect(await sweepUploads(server.db, server.dataFolder)).toBe(1);
    await expect(fs.stat(incomingFolder(server.dataFolder, uploadId))).rejects.toThrow(/ENOENT/);
  });
});

describe("the embedded trainer", () => {
  it("names a folder of the data folder instead of sending its files; nobody else may", async () => {
    await using server = await runsServer();
    await server.newRun();
    const { token, workerId } = await issueEmbeddedToken(server.db);
    const worker = new FakeWorker(token, workerId);
    const run = await worker.claim();
    const made = worker.checkpoint(run, { weights: big });
    const folder = path.join(server.dataFolder, "training", run.id);
    for (const [name, bytes] of Object.entries(made.files)) {
      await fs.mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await fs.writeFile(path.join(folder, name), bytes);
    }
    const message = { fencing: run.fencing, step: 1, manifest: made.manifest, state: made.state };
    const outside = await worker.post(`runs/${run.id}/uploads`, { ...message, folder: "/etc" });
    expect(outside.body.error?.message).toMatch(/only inside the data folder/);
    const opened = await worker.post<{ uploadId: string; missing: object }>(`runs/${run.id}/uploads`, {
      ...message,
      folder,
    });
    expect(opened.body.missing).toEqual({});
    await worker.post(`uploads/${opened.body.uploadId}/complete`, { fencing: run.fencing });
    await fs.rm(folder, { recursive: true });
    await verifyCheckpoint(checkpointFolder(server.dataFolder, made.id));

    await server.newRun();
    const stranger = await server.newWorker();
    const other = await stranger.claim();
    const refused = await stranger.post(`runs/${other.id}/uploads`, {
      ...message,
      fencing: other.fencing,
      manifest: stranger.checkpoint(other, { weights: "x" }).manifest,
      folder: server.dataFolder,
    });
    expect(refused.body.error?.message).toMatch(/Only the embedded trainer/);
  });
});
