/** @file Runs by the real trainer process of a real server: pause, resume, cancel, data that do not fit, code that fails. */
import path from "node:path";
import { describe, expect, it } from "vitest";
import { tinyModelFolder } from "../../helpers/tiny-model";
import { childOf, type TrainerServer, trainerServer } from "../../helpers/trainer-server";

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
});
