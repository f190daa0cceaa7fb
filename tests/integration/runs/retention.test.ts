/** @file Retention: what is kept has a reason, what goes is really gone, and nothing that came into use meanwhile. */
import fs from "node:fs/promises";
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import { checkpoints } from "@/drizzle/schema";
import { writeChannel } from "@/server/domain/channels";
import { checkpointFolder } from "@/server/runs/artifacts";
import { applyRetention, planRetention } from "@/server/runs/retention";
import { type RunsServer, runsServer } from "../../helpers/runs-server";

/** A finished run with checkpoints after steps 1 to 8; the third is its best. */
async function setUp(server: RunsServer) {
  const runId = await server.newRun();
  const worker = await server.newWorker();
  const run = await worker.claim();
  const ids: string[] = [];
  for (let step = 1; step <= 8; step++) {
    ids.push(
      await worker.upload(run, {
        step,
        isBest: step === 3,
        weights: `weights ${step}`,
        state: `state ${step}`,
      }),
    );
  }
  return { runId, ids, finish: () => worker.end(run, "complete", { checkpointId: ids[2] ?? null }) };
}

const point = (server: RunsServer, channel: string, checkpointId: string) =>
  writeChannel(server.db, { channel, checkpointId, actorId: null, reason: "test" });

it("keeps the newest two, the best, and what anything refers to, each with its reason", async () => {
  await using server = await runsServer();
  const { ids, finish } = await setUp(server);
  const [first = "", second = "", , fourth = ""] = ids;
  await point(server, "live", first);
  await server.newRun({ baseCheckpointId: second });
  await server.asAdmin.runs.keepCheckpoint({ checkpointId: fourth, reason: "for the paper" });
  const plan = await planRetention(server.db, null);
  const of = (what: string) =>
    plan.items.filter((item) => item.what === what).map(({ step, action, reason }) => [step, action, reason]);
  expect(of("checkpoint")).toEqual([
    [1, "keep", "channel live serves it"],
    [2, "keep", "run 2 starts from it"],
    [3, "keep", "the best of run 1"],
    [4, "keep", "kept by hand: for the paper"],
    [5, "remove", "nothing refers to it"],
    [6, "remove", "nothing refers to it"],
    [7, "keep", "among the newest 2 of run 1"],
    [8, "keep", "among the newest 2 of run 1"],
  ]);
  expect(of("state")).toEqual([
    ...[1, 2, 3, 4].map((step) => [step, "remove", "a newer state is there"]),
    ...[7, 8].map((step) => [step, "keep", "run 1 may go on from it"]),
  ]);
  await finish();
  const after = await planRetention(server.db, null);
  expect(after.items.filter(({ what, action }) => what === "state" && action === "remove")).toHaveLength(6);
});

it("removes the oldest until the rest fits the budget", async () => {
  await using server = await runsServer();
  await setUp(server);
  const { sizeBytes, items } = await planRetention(server.db, null);
  const fits = await planRetention(server.db, sizeBytes);
  expect(fits.items.every(({ action }) => action === "keep")).toBe(true);
  const [one] = items;
  const plan = await planRetention(server.db, sizeBytes - (one?.sizeBytes ?? 0) - 1);
  expect(plan.items.filter(({ action }) => action === "remove").map(({ step }) => step)).toEqual([1, 2]);
});

it("takes files and rows away together, but what came into use since the plan", async () => {
  await using server = await runsServer();
  const { runId, ids } = await setUp(server);
  const plan = await planRetention(server.db, null);
  const [first = "", second = ""] = ids;
  await point(server, "live", second);
  const done = await applyRetention(server.db, plan, {
    dataFolder: server.dataFolder,
    actorId: server.admin.id,
  });
  expect(done.filter(({ what }) => what === "checkpoint").map(({ step }) => step)).toEqual([1, 4, 5, 6]);
  await expect(fs.stat(checkpointFolder(server.dataFolder, first))).rejects.toThrow(/ENOENT/);
  const kept = await fs.readdir(checkpointFolder(server.dataFolder, second));
  expect(kept).toContain("model.safetensors");
  const { checkpoints: rows } = await server.asAdmin.runs.get({ runId });
  expect(rows.find(({ id }) => id === first)?.deletedAt).not.toBeNull();
  expect((await server.asAdmin.models.checkpoints()).map(({ id }) => id)).not.toContain(first);
  // Gone for everything that would use it.
  await expect(point(server, "live", first)).rejects.toThrow(/were deleted/);
  await expect(server.newRun({ baseCheckpointId: first })).rejects.toThrow(/was deleted/);
  expect((await server.asAdmin.audit.list({ action: "checkpoint.deleted" })).rows).toHaveLength(4);
  // The shared files of the others are still theirs.
  expect(await fs.readFile(`${checkpointFolder(server.dataFolder, second)}/config.json`, "utf8")).toContain(
    "fake",
  );
  // Of the newest two, and of the one that was to go whole.
  expect(await server.db.$count(checkpoints, eq(checkpoints.hasState, true))).toBe(3);
});

it("a run that reaches removed weights again uploads them again", async () => {
  await using server = await runsServer();
  const runId = await server.newRun();
  const worker = await server.newWorker();
  const run = await worker.claim();
  const made = { step: 1, weights: "one" };
  const id = await worker.upload(run, made);
  for (const step of [2, 3]) await worker.upload(run, { step, weights: `${step}` });
  await applyRetention(server.db, await planRetention(server.db, null), {
    dataFolder: server.dataFolder,
    actorId: null,
  });
  expect((await server.asAdmin.runs.get({ runId })).checkpoints.at(-1)?.deletedAt).not.toBeNull();
  expect(await worker.upload(run, made)).toBe(id);
  expect((await server.asAdmin.runs.get({ runId })).checkpoints.at(-1)).toMatchObject({
    deletedAt: null,
    hasState: true,
  });
});
