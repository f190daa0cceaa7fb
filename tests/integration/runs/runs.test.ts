/** @file Runs as admins handle them: made, steered by two at once, cloned, watched, compared, exported. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { eq, sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { describeRow } from "@/app/(settings)/admin/runs/[runId]/describe-row";
import { checkpoints, runs, users } from "@/drizzle/schema";
import { exportRun } from "@/server/runs/run-export";
import { type RunUpdate, watchRun } from "@/server/runs/run-watch";
import { steerRun } from "@/server/runs/steer-run";
import { runsServer } from "../../helpers/runs-server";

async function textOf(parts: AsyncGenerator<string>): Promise<string> {
  let text = "";
  for await (const part of parts) text += part;
  return text;
}

const metrics = (sequence: number, step: number, values: object) => ({
  sequence,
  type: "metrics",
  step,
  values,
});

describe("a new run", () => {
  it("has every setting of its stage, and is recorded", async () => {
    await using server = await runsServer();
    const runId = await server.newRun({ config: { lr: 0.001, lora: { rank: 4 } } });
    const run = await server.asAdmin.runs.get({ runId });
    expect(run).toMatchObject({
      number: 1,
      status: "queued",
      obstacles: [],
      base: { id: server.baseCheckpointId, name: "Base" },
      datasets: [{ id: server.datasetId, name: "Answers", role: "data" }],
      createdBy: { name: "Ada" },
    });
    expect(run.config).toMatchObject({ lr: 0.001, epochs: 2, lora: { rank: 4, alpha: null }, threads: null });
    expect((await server.asAdmin.audit.list({ action: "run." })).rows).toMatchObject([
      { action: "run.created", subject: runId },
    ]);
  });

  it.each([
    [{ config: { lrr: 1 } }, /lrr is no setting. Did you mean lr\?/],
    [{ config: { lr: -1 } }, /lr: /],
    [{ config: { output: "/etc" } }, /output is no setting/],
    [{ config: { model: "/etc" } }, /model is no setting/],
    [{ baseCheckpointId: "a".repeat(64) }, /no such checkpoint/],
    [{ baseCheckpointId: null }, /sft needs a checkpoint to start from/],
    [{ config: { pretrainMix: { share: 0.2 } } }, /pretrainMix needs a dataset of documents/],
    [{ config: { pretrainMix: { data: ["/etc/passwd"] } } }, /data is no setting/],
    [{ datasets: [{ datasetId: "00000000-0000-4000-8000-000000000000" }] }, /no such dataset/],
  ])("is refused with %j", async (change, message) => {
    await using server = await runsServer();
    await expect(server.newRun(change)).rejects.toThrow(message);
    expect(await server.db.$count(runs)).toBe(0);
  });

  it("over a base whose files are gone says so, before and when its turn comes", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    await rm(path.join(server.dataFolder, "models", "base"), { recursive: true });
    await expect(server.newRun()).rejects.toThrow(/files of its base checkpoint Base are not in/);
    expect(await (await server.newWorker()).tryClaim()).toBeNull();
    const run = await server.asAdmin.runs.get({ runId });
    expect([run.status, run.obstacles[0]?.kind]).toEqual(["paused", "baseDeleted"]);
    expect(run.reason).toMatch(/^It cannot start. The files of its base/);
    await server.db.update(checkpoints).set({ deletedAt: new Date() });
    await expect(server.asAdmin.runs.resume({ runId })).rejects.toThrow(/base checkpoint Base was deleted/);
  });

  it("can be told from its form: each stage's settings, with descriptions and defaults", async () => {
    await using server = await runsServer();
    const stages = await server.asAdmin.runs.stages();
    expect(stages.map(({ stage, data }) => [stage, data])).toEqual([
      ["pretrain", { data: "documents", pretrainMix: null }],
      ["sft", { data: "demonstrations", pretrainMix: "documents" }],
      ["reward", { data: "rankings", pretrainMix: null }],
      ["ppo", { data: "prompts", pretrainMix: "documents" }],
      ["eval", { data: null, pretrainMix: null }],
    ]);
    const { properties } = stages[1]?.settings ?? {};
    expect(properties?.pretrainMix).toMatchObject({ default: null });
    expect(JSON.stringify(stages)).not.toMatch(/"(model|data|output)":\{"(type|anyOf)/);
    expect(properties?.epochs).toMatchObject({
      type: "integer",
      default: 2,
      description: "passes over the data",
    });
    for (const { settings } of stages)
      for (const name of ["model", "data", "output", "name", "rewardModels"])
        expect(settings.properties).not.toHaveProperty(name);
  });
});

it("pretraining starts from a tokenizer, or from nothing at all; SFT may mix documents in", async () => {
  await using server = await runsServer();
  const { asAdmin, baseCheckpointId } = server;
  const { datasetId } = await asAdmin.datasets.start({ name: "Texts", kind: "documents" });
  await asAdmin.datasets.addLines({ datasetId, part: 0, text: '{"text": "Once upon a time."}' });
  await asAdmin.datasets.seal({ datasetId });
  const pretrain = { name: "New", stage: "pretrain", datasets: [{ datasetId }] } as const;
  const input = { ...pretrain, datasets: [...pretrain.datasets] };
  const config = { tokenizer: { vocabularySize: 512 } };
  await expect(asAdmin.runs.create({ ...input, baseCheckpointId: null })).rejects.toThrow(
    /needs a checkpoint/,
  );
  await expect(asAdmin.runs.create({ ...input, baseCheckpointId, config })).rejects.toThrow(
    /starts from no checkpoint/,
  );
  const { runId } = await asAdmin.runs.create({ ...input, baseCheckpointId: null, config });
  expect(await asAdmin.runs.get({ runId })).toMatchObject({ base: null, stage: "pretrain", obstacles: [] });
  const worker = await server.newWorker();
  const run = await worker.claim();
  expect(run).toMatchObject({ base: null, config, facts: { parent: null } });
  expect(await worker.upload(run, { step: 1, weights: "new" })).toMatch(/^[0-9a-f]{64}$/);

  const roles = [{ datasetId: server.datasetId }, { datasetId, role: "pretrainMix" as const }];
  await expect(server.newRun({ datasets: roles })).rejects.toThrow(/needs the setting pretrainMix/);
  const mixed = await server.newRun({ datasets: roles, config: { pretrainMix: { share: 0.2 } } });
  expect((await asAdmin.runs.get({ runId: mixed })).datasets.map(({ role }) => role)).toEqual([
    "data",
    "pretrainMix",
  ]);
});

describe("two admins", () => {
  it("who pause at once: the second is told who was first", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const acts = await Promise.allSettled([
      server.asAdmin.runs.pause({ runId }),
      server.asOther.runs.pause({ runId }),
    ]);
    const refused = acts.filter((act) => act.status === "rejected");
    expect(refused).toHaveLength(1);
    expect(String(refused[0]?.reason)).toMatch(
      /(Ada|Grace) paused it \d+ seconds ago. Run 1 is paused and cannot be paused/,
    );
  });

  it("who want different things: the second is told what the run is now", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    await server.asAdmin.runs.cancel({ runId });
    await expect(server.asOther.runs.resume({ runId })).rejects.toThrow(
      /Ada cancelled it .* is cancelled and cannot be resumed/,
    );
    await expect(server.asOther.runs.pause({ runId })).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(server.asOther.runs.prioritise({ runId, priority: 1 })).rejects.toThrow(/waits in no queue/);
  });

  it("are not named for what a worker did", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    await server.asAdmin.runs.pause({ runId });
    await server.asAdmin.runs.resume({ runId });
    const worker = await server.newWorker();
    await worker.end(await worker.claim(), "release", { outcome: "paused", reason: "Bad data." });
    await expect(server.asOther.runs.pause({ runId })).rejects.toThrow(
      /^Run 1 is paused and cannot be paused/,
    );
  });
});

it("the timeline names who started, paused, resumed and cancelled a run, and of a clone whose copy it is", async () => {
  await using server = await runsServer();
  const { asAdmin, asOther, db } = server;
  const source = await server.newRun();
  const { runId } = await asOther.runs.clone({ runId: source });
  await asAdmin.runs.pause({ runId });
  await asOther.runs.resume({ runId });
  const worker = await server.newWorker();
  const run = await worker.claim();
  expect(run.id).toBe(source);
  await asOther.runs.cancel({ runId });
  const acts = async () =>
    (await asAdmin.runs.timeline({ runId, kinds: ["state"], limit: 50 })).rows.map(describeRow).reverse();
  const told = [
    "Grace started it as a copy of run 1",
    "Ada paused it",
    "Grace resumed it",
    "Grace cancelled it",
  ];
  expect(await acts()).toEqual(told);
  const states = { runId: source, kinds: ["state" as const], limit: 50 };
  expect((await asAdmin.runs.timeline(states)).rows.map(describeRow)).toEqual([
    "Became running",
    "Ada started it",
  ]);
  // A name is the account's own: it goes with it, and is nowhere kept beside the row.
  await db.delete(users).where(eq(users.name, "Grace"));
  expect(await acts()).toEqual(told.map((text) => text.replace("Grace", "A deleted account")));
  const exported = await exportRun(db, { runId, content: "timeline", format: "jsonl" });
  expect(await textOf(exported.parts)).toContain('"actor":"Ada"');
  await steerRun(db, { runId: source, steer: "pause" }, { actorId: null, dataFolder: server.dataFolder });
  expect((await asAdmin.runs.timeline(states)).rows.map(describeRow)[0]).toBe(
    "Somebody at the server's command line paused it",
  );
});

it("runs made at once have numbers without a gap", async () => {
  await using server = await runsServer();
  await Promise.all(Array.from({ length: 5 }, () => server.newRun()));
  await expect(server.newRun({ name: "" })).rejects.toThrow();
  await server.newRun();
  const { runs: made } = await server.asAdmin.runs.list({});
  expect(made.map(({ number }) => number)).toEqual([6, 5, 4, 3, 2, 1]);
});

it("a clone has the other's settings but for what is given, and remembers it", async () => {
  await using server = await runsServer();
  const runId = await server.newRun({ config: { lr: 0.5, epochs: 7 }, priority: 3 });
  const clone = await server.asAdmin.runs.clone({ runId, name: "Again", config: { lr: 0.25 } });
  const made = await server.asAdmin.runs.get(clone);
  expect(made).toMatchObject({ number: 2, name: "Again", priority: 3, clonedFrom: { id: runId, number: 1 } });
  expect(made.config).toMatchObject({ lr: 0.25, epochs: 7 });
  expect(made.datasets).toMatchObject([{ id: server.datasetId }]);
});

describe("a page", () => {
  it("that watches a run is told at once what is new, and after a night away what it missed, each once", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const { cursor } = await server.asAdmin.runs.get({ runId });
    const run = await worker.claim();
    await worker.events(run, [metrics(1, 1, { loss: 2 })]);
    const left = new AbortController();
    const updates = watchRun(server.db, { runId, lastEventId: String(cursor), signal: left.signal });
    const read = async () => {
      const { value } = await updates.next();
      if (!value) throw new Error("The subscription ended.");
      return { id: value[0], ...(value[1] as RunUpdate) };
    };
    const first = await read();
    expect(first).toMatchObject({
      run: { status: "running", step: 1 },
      metrics: [{ step: 1, values: { loss: 2 } }],
    });
    expect(first.timeline).toMatchObject([{ kind: "state", payload: { status: "running" } }]);
    const next = read();
    await worker.events(run, [
      metrics(2, 2, { loss: 1 }),
      { sequence: 3, type: "log", level: "info", text: "hi" },
    ]);
    const second = await next;
    expect(second).toMatchObject({
      metrics: [{ step: 2 }],
      timeline: [{ kind: "log" }],
      isCatchingUp: false,
    });
    left.abort();
    expect((await updates.next()).done).toBe(true);

    const many = Array.from({ length: 900 }, (_, i) => metrics(4 + i, 3 + i, { loss: i }));
    for (const from of [0, 300, 600]) await worker.events(run, many.slice(from, from + 300));
    for (let i = 0; i < 4; i++) {
      await worker.events(
        run,
        Array.from({ length: 500 }, (_, j) => ({
          sequence: 904 + i * 500 + j,
          type: "log",
          level: "info",
          text: `${i} ${j}`,
        })),
      );
    }
    const seen: number[] = [];
    const texts = new Set<unknown>();
    for await (const [, update] of watchRun(server.db, { runId, lastEventId: second.id })) {
      seen.push(...update.metrics.map(({ step }) => step));
      for (const row of update.timeline) texts.add(row.number);
      if (!update.isCatchingUp) break;
    }
    expect(seen).toEqual(many.map(({ step }) => step));
    expect(texts.size).toBe(2000);
  });

  it("compares runs by curves that keep their spikes", async () => {
    await using server = await runsServer();
    const ids = [await server.newRun(), await server.newRun()];
    const worker = await server.newWorker();
    const run = await worker.claim();
    const events = Array.from({ length: 1000 }, (_, i) =>
      metrics(i + 1, i + 1, { loss: i === 500 ? 99 : 1, ...(i % 100 === 0 && { validationLoss: null }) }),
    );
    await worker.events(run, events);
    const [first, second] = await server.asAdmin.runs.metrics({ runIds: ids, points: 50 });
    expect(second).toMatchObject({ number: 2, series: [] });
    expect(first).toMatchObject({ lastStep: 1000, stepsPerPoint: 21 });
    const loss = first?.series.find(({ name }) => name === "loss");
    expect(loss?.steps.length).toBeLessThanOrEqual(50);
    expect(Math.max(...(loss?.maxs ?? []).map(Number))).toBe(99);
    expect(loss?.means[0]).toBe(1);
    // Told at once, so all within the minute in which the run began.
    expect(loss?.seconds).toHaveLength(loss?.steps.length ?? 0);
    for (const seconds of loss?.seconds ?? []) expect(Math.abs(seconds)).toBeLessThan(60);
    const validation = first?.series.find(({ name }) => name === "validationLoss");
    expect(new Set(validation?.means)).toEqual(new Set([null]));
    const [only] = await server.asAdmin.runs.metrics({ runIds: [run.id], names: ["loss"], points: 10 });
    expect(only?.series.map(({ name }) => name)).toEqual(["loss"]);
  });

  it("shows of each run its best validation loss, and of each checkpoint its own", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    const losses = [3, 2, 2.5];
    await worker.events(
      run,
      losses.map((validationLoss, i) => metrics(i + 1, i + 1, { validationLoss })),
    );
    expect((await server.asAdmin.runs.get({ runId })).best).toBeNull();
    for (const [i, loss] of losses.entries()) {
      await worker.upload(run, { step: i + 1, isBest: loss < 2.5 || i === 0, weights: `weights ${i}` });
    }
    await worker.upload(run, { step: 9, weights: "never evaluated" });
    const { best, checkpoints } = await server.asAdmin.runs.get({ runId });
    expect(best).toEqual({ step: 2, validationLoss: 2, heldOutScore: null, heldOutKl: null });
    expect(checkpoints.map(({ step, validationLoss }) => [step, validationLoss])).toEqual([
      [9, null],
      [3, 2.5],
      [2, 2],
      [1, 3],
    ]);
    expect((await server.asAdmin.runs.list({})).runs[0]?.best).toEqual(best);
  });

  it("gets every point of a long run once, though it is read in pieces", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    await server.db.execute(sql`
      insert into run_metrics (run_id, step, number, values)
      select ${runId}::uuid, i, i, jsonb_build_object('loss', i) from generate_series(1, 12345) i`);
    const [curve] = await server.asAdmin.runs.metrics({ runIds: [runId], points: 100 });
    const [loss] = curve?.series ?? [];
    expect(curve?.stepsPerPoint).toBe(124);
    expect(loss?.steps).toEqual(Array.from({ length: 100 }, (_, i) => Math.min(12345, 124 * i + 123)));
    expect(loss?.maxs).toEqual(loss?.steps);
    expect(loss?.mins.slice(1)).toEqual(loss?.steps.slice(0, -1).map((step) => step + 1));
  });

  it("lists runs newest first, by page and by status", async () => {
    await using server = await runsServer();
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(await server.newRun());
    await server.asAdmin.runs.cancel({ runId: ids[1] ?? "" });
    const page = await server.asAdmin.runs.list({ limit: 2 });
    expect([page.runs.map(({ number }) => number), page.nextCursor]).toEqual([[3, 2], 2]);
    expect(page.counts).toEqual({ queued: 2, cancelled: 1 });
    expect((await server.asAdmin.runs.list({ cursor: page.nextCursor })).runs.map(({ id }) => id)).toEqual([
      ids[0],
    ]);
    const cancelled = await server.asAdmin.runs.list({ statuses: ["cancelled"] });
    expect(cancelled.runs.map(({ id }) => id)).toEqual([ids[1]]);
  });
});

it("its records are exported while it runs, as CSV and JSONL", async () => {
  await using server = await runsServer();
  const runId = await server.newRun();
  const worker = await server.newWorker();
  const run = await worker.claim();
  await worker.events(run, [
    metrics(1, 1, { loss: 2.5, lr: 0.1 }),
    metrics(2, 2, { loss: null, validationLoss: 3 }),
    { sequence: 3, type: "sample", step: 2, prompt: 'Say "hi", please\nnow', response: "=1+1" },
    { sequence: 4, type: "log", level: "warn", text: "slow" },
  ]);
  const read = async (content: "metrics" | "samples" | "logs" | "timeline", format: "csv" | "jsonl") =>
    textOf((await exportRun(server.db, { runId, content, format })).parts);
  const csv = (await read("metrics", "csv")).split("\r\n").map((line) => line.replace(/\d{4}-[^,]+Z/, "T"));
  expect(csv).toEqual(["step,at,loss,lr,validationLoss", "1,T,2.5,0.1,", "2,T,,,3", ""]);
  const lines = (await read("metrics", "jsonl"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { step: 1, loss: 2.5 },
    { step: 2, loss: null },
  ]);
  const samples = await read("samples", "csv");
  expect(samples).toContain(',2,"Say ""hi"", please\nnow",\'=1+1,\r\n');
  expect(JSON.parse(await read("logs", "jsonl"))).toMatchObject({ level: "warn", text: "slow" });
  expect((await read("timeline", "jsonl")).trim().split("\n")).toHaveLength(4);
  const { fileName } = await exportRun(server.db, { runId, content: "metrics", format: "csv" });
  expect(fileName).toBe("run-1-metrics.csv");
  expect(await server.db.$count(runs, eq(runs.status, "running"))).toBe(1);
});
