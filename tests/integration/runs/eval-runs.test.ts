/** @file Evaluation as a run: what it is refused for, what its worker tells, and how figures stand beside those of others. */
import { describe, expect, it } from "vitest";
import type { EvalReport } from "@/model/eval/eval-report";
import { figureWithInterval } from "@/model/eval/suites/suite-result";
import { writeChannel } from "@/server/domain/channels";
import { type RunsServer, runsServer, writeAdapter } from "../../helpers/runs-server";
import { callerFor, makePerson } from "../../helpers/test-context";

const asEval = { stage: "eval" as const, datasets: [] };

/** Twenty items, so many of them right. */
function reportOn(checkpoint: string, right: number, change: Partial<EvalReport> = {}): EvalReport {
  const items = Array.from({ length: 20 }, (_, i) => ({
    id: `${i}`,
    slice: null,
    values: { accuracy: Number(i < right) },
  }));
  const figures = [figureWithInterval("accuracy", items, 1)];
  const suite = { suite: "sums", title: "Sums", sha256: "a", metric: "number", variant: "zeroShot" } as const;
  const told = { figures, slices: [], behaviour: null, cutItems: 0, items };
  return {
    format: 1,
    checkpoint,
    name: "Any",
    precision: "int8",
    madeAt: "2026-01-01T00:00:00.000Z",
    seed: 1,
    suites: [{ ...suite, ...told }],
    parity: null,
    ...change,
  };
}

const transcript = (id: string, accuracy: number) => ({
  suite: "sums",
  variant: "zeroShot",
  id,
  slice: null,
  messages: [{ role: "user", content: `${id} + 1?` }],
  response: `answer ${id}\0`,
  expected: "2",
  values: { accuracy },
  isFinished: true,
});

async function claimEval(server: RunsServer) {
  const worker = await server.newWorker();
  worker.stages = ["eval"];
  return { worker, run: await worker.claim() };
}

/** A finished run with this report. */
async function evaluate(server: RunsServer, checkpointId: string, right: number, change = {}) {
  const runId = await server.newRun({ ...asEval, baseCheckpointId: checkpointId });
  const { worker, run } = await claimEval(server);
  const report = reportOn(checkpointId, right, change);
  const told = await worker.events(run, [{ sequence: 1, type: "evaluation", report }]);
  expect(told.status).toBe(200);
  await worker.end(run, "complete", { checkpointId: null, summary: {} });
  return runId;
}

describe("starting an evaluation", () => {
  it("needs no data, and is of the form in which this server answers", async () => {
    await using server = await runsServer();
    await server.newRun(asEval);
    const { run } = await claimEval(server);
    expect(run).toMatchObject({ stage: "eval", datasets: [], base: { id: server.baseCheckpointId } });
    expect(["fp32", "int8", "int4"]).toContain(run.config.precision);
  });

  it("is refused with data, without a checkpoint, and with a suite that does not ship", async () => {
    await using server = await runsServer();
    const { datasetId } = server;
    await expect(server.newRun({ ...asEval, datasets: [{ datasetId }] })).rejects.toThrow(
      "eval takes no dataset.",
    );
    await expect(server.newRun({ ...asEval, baseCheckpointId: null })).rejects.toThrow(
      "needs a checkpoint to start from",
    );
    await expect(server.newRun({ ...asEval, config: { suites: ["../secrets"] } })).rejects.toThrow(/suites/);
  });

  it("an SFT run still needs its data", async () => {
    await using server = await runsServer();
    await expect(server.newRun({ datasets: [] })).rejects.toThrow("needs a dataset of demonstrations");
  });
});

describe("what a worker measured", () => {
  it("stands beside what the checkpoint came from and what is live, in the same form alone", async () => {
    await using server = await runsServer();
    const { id: policy } = await writeAdapter(server, { name: "policy" });
    const { id: other } = await writeAdapter(server, { name: "other" });
    await evaluate(server, server.baseCheckpointId, 10);
    await evaluate(server, other, 20);
    const runId = await evaluate(server, policy, 14);
    const view = await server.asAdmin.suites.ofRun({ runId });
    // `other` is neither a forebear nor live.
    expect(view?.against.map(({ checkpoint }) => checkpoint.id)).toEqual([server.baseCheckpointId]);
    expect(view?.against[0]?.deltas[0]?.difference).toMatchObject({
      name: "accuracy",
      value: expect.closeTo(0.2, 9),
    });
    expect(view?.suites[0]).toMatchObject({ itemCount: 20, figures: [{ value: 0.7 }] });
    await writeChannel(server.db, { channel: "live", checkpointId: other, actorId: null, reason: "test" });
    const again = await server.asAdmin.suites.ofCheckpoint({ checkpointId: policy });
    expect(again?.against.map(({ isLive, checkpoint }) => [isLive, checkpoint.id])).toEqual([
      [false, server.baseCheckpointId],
      [true, other],
    ]);
    await evaluate(server, other, 20, { precision: "fp32" });
    await evaluate(server, server.baseCheckpointId, 12, { precision: "fp32" });
    const [base] = (await server.asAdmin.suites.ofRun({ runId }))?.against ?? [];
    expect(base?.suites[0]?.figures[0]?.value).toBe(0.5);
  });

  it("is read transcript by transcript, the worst first; told again it is written over", async () => {
    await using server = await runsServer();
    const runId = await server.newRun(asEval);
    const { worker, run } = await claimEval(server);
    expect(await server.asAdmin.suites.ofRun({ runId })).toBeNull();
    const first = [transcript("0", 1), transcript("1", 0.5), transcript("2", 0)];
    await worker.events(run, [{ sequence: 1, type: "transcripts", from: 0, transcripts: first }]);
    const later = [transcript("3", 0.25)];
    await worker.events(run, [
      { sequence: 2, type: "transcripts", from: 2, transcripts: later },
      { sequence: 3, type: "evaluation", report: reportOn(server.baseCheckpointId, 3) },
    ]);
    const read = await server.asAdmin.suites.transcripts({ runId, suite: "sums", variant: "zeroShot" });
    expect(read.transcripts.map(({ id }) => id)).toEqual(["3", "1", "0"]);
    expect(read.transcripts[0]?.response).toBe("answer 3\ufffd");
    await expect(
      server.asAdmin.suites.transcripts({ runId, suite: "sums", variant: "fewShot" }),
    ).rejects.toThrow("no such suite");
  });

  it("is refused for another checkpoint, for another stage, and where it is no report", async () => {
    await using server = await runsServer();
    await server.newRun(asEval);
    const { worker, run } = await claimEval(server);
    const tell = (report: object) => worker.events(run, [{ sequence: 1, type: "evaluation", report }]);
    expect((await tell(reportOn("b".repeat(64), 3))).body.error?.message).toMatch(/the report is on bbbb/);
    expect((await tell({ format: 1 })).body.error?.code).toBe("invalid");
    const early = await worker.end(run, "complete", { checkpointId: null, summary: {} });
    expect(early.body.error).toMatchObject({ message: expect.stringContaining("no report of it came") });
    await worker.end(run, "fail", { cause: "unfit", reason: "test" });
    await server.newRun();
    const trainer = await server.newWorker("T");
    const sft = await trainer.claim();
    const report = reportOn(server.baseCheckpointId, 3);
    const refused = await trainer.events(sft, [{ sequence: 1, type: "evaluation", report }]);
    expect(refused.body.error?.message).toMatch(/is of sft: it measures nothing/);
    const texts = { sequence: 1, type: "transcripts", from: 0, transcripts: [transcript("0", 1)] };
    expect((await trainer.events(sft, [texts])).body.error?.code).toBe("invalid");
  });

  it("is for admins alone", async () => {
    await using server = await runsServer();
    const runId = await server.newRun(asEval);
    for (const role of ["user", "labeler"] as const) {
      const call = callerFor(server.db, await makePerson(server.db, { role }));
      await expect(call.suites.ofRun({ runId })).rejects.toMatchObject({ code: "FORBIDDEN" });
      await expect(call.suites.ofCheckpoint({ checkpointId: "a" })).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
      await expect(
        call.suites.transcripts({ runId, suite: "sums", variant: "zeroShot" }),
      ).rejects.toMatchObject({ code: "FORBIDDEN" });
    }
  });
});
