/** @file Runs by the real trainer process of a real server: pause, resume, cancel, data that do not fit, code that fails. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { tinyModelFolder } from "../../helpers/tiny-model";
import { type TrainerServer, trainerServer } from "../../helpers/trainer-server";

const rows = Array.from({ length: 40 }, (_, i) => ({
  prompt: `What comes after ${i}?`,
  response: `After ${i} comes ${i + 1}.`,
}));

/** Quick steps on the tiny model, and many of them. */
const config = {
  epochs: 40,
  rowLength: 64,
  rowsPerBatch: 2,
  lora: { rank: 2 },
  evaluateEverySteps: 20,
  sampleTokens: 4,
  threads: 1,
};

async function start(server: TrainerServer, change: Record<string, unknown> = {}): Promise<string> {
  const baseCheckpointId = await server.register(tinyModelFolder);
  const datasetId = await server.upload(rows);
  const { runId } = await server.admin.call.runs.create.mutate({
    name: "Counting",
    stage: "sft",
    config: { ...config, ...change },
    baseCheckpointId,
    datasets: [{ datasetId }],
  });
  return runId;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("a run on the trainer of this machine", () => {
  it("is started by the server, reports, saves, and is finished with its best checkpoint", async () => {
    await using server = await trainerServer();
    expect(server.trainerPid()).toBeNull();
    const runId = await start(server, { epochs: 2 });
    const run = await server.until(runId, ({ status }) => status === "finished" || status === "failed");
    expect(run).toMatchObject({ status: "finished", step: run.totalSteps, attempts: 0 });
    expect(run.checkpoints.filter(({ isBest }) => isBest)).toHaveLength(1);
    const timeline = await server.timeline(runId);
    const samples = timeline.filter(({ kind }) => kind === "sample");
    expect(samples.length).toBeGreaterThan(0);
    // Each prompt names the row it was taken from, so that it is erased with it.
    expect(samples.every(({ payload }) => "source" in payload && payload.source !== null)).toBe(true);
    expect(new Set(timeline.flatMap(({ payload }) => ("name" in payload ? [payload.name] : [])))).toEqual(
      new Set(["load", "evaluate", "save", "sample", "upload"]),
    );
    const [metrics] = await server.admin.call.runs.metrics.query({ runIds: [runId] });
    expect(metrics?.lastStep).toBe(run.totalSteps);
  });

  it("goes on with an adapter over the base of its lineage, which the worker fetches too", async () => {
    await using server = await trainerServer();
    const finish = (runId: string) =>
      server.until(runId, ({ status }) => status === "finished" || status === "failed");
    const first = await finish(await start(server, { epochs: 1 }));
    const best = first.checkpoints.find(({ isBest }) => isBest)?.id ?? "";
    const { runId } = await server.admin.call.runs.clone.mutate({
      runId: first.id,
      baseCheckpointId: best,
    });
    const second = await finish(runId);
    expect(second).toMatchObject({ status: "finished", attempts: 0 });
    const made = await server.admin.call.models.checkpoints.query();
    const manifestOf = (id: string | undefined) => made.find((each) => each.id === id)?.manifest;
    const tiny = first.base?.id;
    expect(manifestOf(best)).toMatchObject({ parent: tiny, lineageBase: tiny });
    const end = second.checkpoints.find(({ isBest }) => isBest)?.id;
    expect(manifestOf(end)).toMatchObject({ parent: best, lineageBase: tiny });
    expect(Object.keys(manifestOf(end)?.files ?? {})).not.toContain("model.safetensors");
  });

  it("measures a checkpoint, and makes none", async () => {
    await using server = await trainerServer();
    const { runs, suites } = server.admin.call;
    const baseCheckpointId = await server.register(tinyModelFolder);
    const config = { suites: ["format"], items: 8, parityResponses: 2 };
    const { runId } = await runs.create.mutate({ name: "Form", stage: "eval", config, baseCheckpointId });
    const run = await server.until(runId, ({ status }) => status === "finished" || status === "failed");
    expect(run).toMatchObject({ status: "finished", step: 16, totalSteps: 16, checkpoints: [] });
    const view = await suites.ofRun.query({ runId });
    expect(view?.suites.map(({ variant, itemCount }) => [variant, itemCount])).toEqual([
      ["zeroShot", 8],
      ["fewShot", 8],
    ]);
    expect(view?.parity).toMatchObject({ responses: 2, effectKept: null });
    const { transcripts } = await suites.transcripts.query({ runId, suite: "format", variant: "fewShot" });
    expect(transcripts).toHaveLength(8);
  });

  it("makes a reward model of a dataset of rankings, which can be neither live nor a base", async () => {
    await using server = await trainerServer();
    const { runs, models } = server.admin.call;
    const baseCheckpointId = await server.register(tinyModelFolder);
    const ranked = rows.slice(0, 20).map(({ prompt, response }, i) => ({
      prompt: [{ role: "user", content: prompt }],
      responses: [{ text: response }, { text: "I do not know." }, { text: String(i + 1) }],
      rankings: [{ ranks: [1, 3, 2] }],
      meta: { user: `user ${i % 10}` },
    }));
    const datasets = [{ datasetId: await server.upload(ranked, "rankings") }];
    const settings = { lora: { rank: 2 }, threads: 1, lr: 3e-3, evaluateEverySteps: 100 };
    const run = { name: "Scores", stage: "reward", config: settings, baseCheckpointId, datasets } as const;
    const { runId } = await runs.create.mutate(run);
    const ended = await server.until(runId, ({ status }) => status === "finished" || status === "failed");
    expect(ended).toMatchObject({ status: "finished", attempts: 0 });
    const [metrics] = await runs.metrics.query({ runIds: [runId] });
    expect(metrics?.series.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["validationLoss", "pairAccuracy"]),
    );
    const best = ended.checkpoints.find(({ isBest }) => isBest)?.id ?? "";
    const made = (await models.checkpoints.query()).find(({ id }) => id === best);
    expect(made?.manifest).toMatchObject({
      stage: "reward",
      parent: baseCheckpointId,
      lineageBase: baseCheckpointId,
    });
    expect(made?.manifest.scoreBias).toEqual(expect.any(Number));
    await expect(runs.create.mutate({ ...run, baseCheckpointId: best })).rejects.toThrow(
      "A reward model is no base",
    );
  });

  it("is paused with everything saved, goes on, and can be cancelled", async () => {
    await using server = await trainerServer({ env: { ATTUNE_LEASE_SECONDS: "8" } });
    const { runs } = server.admin.call;
    const runId = await start(server);
    await server.until(runId, ({ step }) => step > 25);
    await runs.pause.mutate({ runId });
    const paused = await server.until(runId, ({ status }) => status === "paused");
    expect(paused.checkpoints[0]).toMatchObject({ step: paused.step, hasState: true });
    await runs.resume.mutate({ runId });
    const resumed = await server.until(runId, ({ step }) => step > paused.step + 5);
    expect(resumed.attempts).toBe(0);
    const texts = (await server.timeline(runId)).map(({ payload }) =>
      "text" in payload ? payload.text : "",
    );
    expect(texts).toContain(`Going on after step ${paused.step}.`);
    await runs.cancel.mutate({ runId });
    const cancelled = await server.until(runId, ({ status }) => status === "cancelled");
    expect(cancelled.step).toBeLessThan(cancelled.totalSteps ?? 0);
    // A person's rows do not stay behind.
    await expect.poll(() => readdir(path.join(server.dataFolder, "trainer"))).toEqual(["files"]);
  });

  it("is saved and given back when the server is stopped, and goes on when it is started again", async () => {
    await using server = await trainerServer();
    const runId = await start(server);
    const before = await server.until(runId, ({ step }) => step > 25);
    await server.restart("SIGTERM");
    const after = await server.until(
      runId,
      ({ status, step }) => status === "running" && step > before.step + 20,
    );
    const incidents = (await server.timeline(runId)).filter(({ kind }) => kind === "incident");
    expect(incidents).toMatchObject([{ payload: { what: "workerStopped" } }]);
    const saved = after.checkpoints.map(({ step }) => step);
    expect(saved.some((step) => step >= before.step && step % config.evaluateEverySteps !== 0)).toBe(true);
  });

  it("ends by itself when its server is killed, and a new trainer goes on with the run", async () => {
    await using server = await trainerServer();
    const runId = await start(server);
    const before = await server.until(runId, ({ step }) => step > 25);
    const orphans = [server.trainerPid(), server.stagePid()];
    expect(orphans).not.toContain(null);
    await server.restart("SIGKILL");
    await expect
      .poll(() => orphans.filter((pid) => pid !== null && isAlive(pid)), { timeout: 10_000 })
      .toEqual([]);
    const after = await server.until(runId, ({ step }) => step > before.step + 5);
    expect(after.attempts).toBe(0);
    expect(await server.timeline(runId, ["incident"])).toMatchObject([
      { payload: { what: "workerReplaced" } },
    ]);
  });

  it("fails at once over data that do not fit, with the line at fault, and after three attempts where code crashes", async () => {
    await using server = await trainerServer();
    const unfit = await start(server, { rowLength: 8, onLongExample: "refuse" });
    const crashing = await start(server, { evaluateEverySteps: 100_000, saveEverySteps: 100_000 });
    const isOver = ({ status }: { status: string }) => status === "failed";
    const failed = await server.until(unfit, isOver, 110_000);
    expect(failed.attempts).toBe(0);
    expect(failed.reason).toMatch(/^Data:1 takes \d+ tokens, more than the rowLength of 8\n/);
    expect(await server.timeline(unfit, ["incident"])).toMatchObject([{ payload: { what: "badData" } }]);
    const crashed = await server.until(
      crashing,
      (run) => {
        if (run.status === "running" && run.step > 0) server.kill("stage.js", "SIGSEGV");
        return isOver(run);
      },
      110_000,
    );
    expect(crashed.attempts).toBe(3);
    expect(crashed.reason).toMatch(/failed 3 times in a row.*The training process was ended by SIGSEGV/s);
    // The checkpoint from before the first step is progress: the crash after it does not count.
    expect(crashed.checkpoints.map(({ step }) => step)).toEqual([0]);
  }, 240_000);

  it("is paused when the system kills its process again and again, and goes on when it is resumed", async () => {
    await using server = await trainerServer();
    const runId = await start(server, { epochs: 4, evaluateEverySteps: 100_000, saveEverySteps: 100_000 });
    const victims = new Set<number>();
    const paused = await server.until(runId, ({ status, step, checkpoints }) => {
      const pid = server.stagePid();
      if (status === "running" && step > 0 && checkpoints.length > 0 && pid !== null && !victims.has(pid)) {
        victims.add(pid);
        process.kill(pid, "SIGKILL");
      }
      return status === "paused";
    });
    expect(victims.size).toBe(5);
    expect(paused).toMatchObject({
      attempts: 0,
      reason: expect.stringMatching(/killed by the system 5 times/),
    });
    expect(await server.timeline(runId, ["incident"])).toMatchObject(
      Array.from({ length: 5 }, () => ({ payload: { what: "processKilled" } })),
    );
    await server.admin.call.runs.resume.mutate({ runId });
    expect(await server.until(runId, ({ status }) => status === "finished")).toMatchObject({ attempts: 0 });
  }, 180_000);
});
