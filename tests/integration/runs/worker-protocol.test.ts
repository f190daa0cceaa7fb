/** @file The worker protocol, spoken by a fake worker: who is let in, who gets a run, what counts and what is refused. */
import { createHash, randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { runEvents, runMetrics, runs } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { sweepLeases } from "@/server/runs/lease";
import { protocolHeader } from "@/server/runs/protocol";
import { issueEmbeddedToken, revokeWorker } from "@/server/runs/workers";
import { FakeWorker } from "../../helpers/fake-worker";
import { demonstration, runsServer } from "../../helpers/runs-server";
import { describeEachDatabase } from "../../helpers/test-database";

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** The worker falls silent for longer than its lease. */
async function loseLease(db: Db, runId: string): Promise<void> {
  await db.update(runs).set({ leaseExpiresAt: sql`now() - interval '1 second'` }).where(eq(runs.id, runId));
  expect(await sweepLeases(db)).toBe(1);
}

async function readRun(db: Db, runId: string) {
  const [run] = await db.select().from(runs).where(eq(runs.id, runId));
  if (!run) throw new Error("There is no such run.");
  return run;
}

const log = (sequence: number, text: string) => ({ sequence, type: "log", level: "info", text });
const metrics = (sequence: number, step: number, values: object) => ({
  sequence,
  type: "metrics",
  step,
  values,
});

describe("a worker", () => {
  it.each([
    ["no token", ""],
    ["a wrong token", `atw_${"x".repeat(43)}`],
  ])("with %s is refused in clear words", async (_what, token) => {
    await using server = await runsServer();
    const worker = await server.newWorker();
    worker.token = token;
    const { status, body } = await worker.post("claim", {});
    expect([status, body.error?.code]).toEqual([401, "unauthorized"]);
    expect(body.error?.message).toMatch(/missing, wrong or revoked/);
  });

  it("with a revoked token is refused, and its run goes back to the queue when its lease ends", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    await revokeWorker(server.db, { workerId: worker.id, actorId: server.admin.id });
    expect((await worker.heartbeat(run)).status).toBe(401);
    expect((await worker.events(run, [log(1, "late")])).status).toBe(401);
    await loseLease(server.db, runId);
    expect(await readRun(server.db, runId)).toMatchObject({ status: "queued", attempts: 0, lastSequence: 0 });
  });

  it.each([["2"], ["0"], [""]])(
    "of protocol version “%s” is refused, and told both versions",
    async (version) => {
      await using server = await runsServer();
      await server.newRun();
      const worker = await server.newWorker();
      worker.version = version;
      const { status, body } = await worker.post("claim", {});
      expect([status, body.error?.code]).toEqual([426, "protocolVersion"]);
      expect(body.error?.message).toContain("version 1");
      expect(body.error?.message).toContain(protocolHeader);
      expect(await server.db.$count(runs, eq(runs.status, "queued"))).toBe(1);
    },
  );

  it("is told which field does not fit, and how much is too much", async () => {
    await using server = await runsServer();
    await server.newRun();
    const worker = await server.newWorker();
    expect(await worker.post("claim", { session: "x" })).toMatchObject({
      status: 400,
      body: { error: { code: "invalid", message: expect.stringContaining("session") } },
    });
    const run = await worker.claim();
    const big = log(1, "x".repeat(5_000_000));
    expect(await worker.events(run, [big])).toMatchObject({
      status: 413,
      body: { error: { code: "tooLarge" } },
    });
    const nan = JSON.stringify(metrics(1, 1, { loss: 1 })).replace("1}}", "NaN}}");
    const response = await worker.send("POST", `runs/${run.id}/events`, {
      body: `{"fencing":1,"events":[${nan}]}`,
    });
    expect(response.status).toBe(400);
    expect((await worker.send("GET", "nothing")).status).toBe(404);
    expect(
      (await worker.send("GET", `checkpoints/${server.baseCheckpointId}/files/..%2f..%2fsecrets.json`))
        .status,
    ).toBe(404);
  });

  it("started by the server itself gets a new token each time; the old one is refused", async () => {
    await using server = await runsServer();
    const first = await issueEmbeddedToken(server.db);
    const second = await issueEmbeddedToken(server.db);
    expect(second.workerId).toBe(first.workerId);
    expect(await new FakeWorker(second.token, second.workerId).tryClaim()).toBeNull();
    await expect(new FakeWorker(first.token, first.workerId).tryClaim()).rejects.toThrow(/unauthorized/);
    await expect(server.asAdmin.workers.revoke({ workerId: first.workerId })).rejects.toThrow(/own trainer/);
  });
});

describeEachDatabase("the queue", (home) => {
  it.each([-12, 12])(
    "holds and delays runs by the clock of the database, be the server's %i hours off",
    async (hours) => {
      await using server = await runsServer({ home });
      onTestFinished(() => void vi.useRealTimers());
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + hours * 3_600_000 });
      const runId = await server.newRun();
      const worker = await server.newWorker();
      const run = await worker.claim();
      expect((await worker.heartbeat(run)).body.order).toBe("continue");
      expect(await sweepLeases(server.db)).toBe(0);
      await worker.end(run, "fail", { cause: "code", reason: "TypeError: x" });
      expect(await worker.tryClaim()).toBeNull();
      const [wait] = await server.db
        .select({ seconds: sql<number>`extract(epoch from ${runs.notBefore} - now())::float` })
        .from(runs)
        .where(eq(runs.id, runId));
      expect(wait?.seconds).toBeGreaterThan(0);
      expect(wait?.seconds).toBeLessThan(60);
      await server.db.update(runs).set({ notBefore: null });
      await worker.end(await worker.claim(), "complete", { checkpointId: null });
      const { startedAt, endedAt, createdAt } = await readRun(server.db, runId);
      const moments = [createdAt, startedAt, endedAt].map((moment) => moment?.getTime() ?? 0);
      expect(moments).toEqual([...moments].sort((a, b) => a - b));
    },
  );

  it("gives each run to one of the workers that ask at once", async () => {
    await using server = await runsServer({ home });
    const ids = [await server.newRun(), await server.newRun()];
    const workers = await Promise.all([1, 2, 3, 4].map((n) => server.newWorker(`W${n}`)));
    const claimed = await Promise.all(workers.map((worker) => worker.tryClaim()));
    const given = claimed.filter((run) => run !== null).map(({ id }) => id);
    expect(given.sort()).toEqual(ids.sort());
  });

  it("goes by priority, then by age, and by what a worker can do", async () => {
    await using server = await runsServer({ home });
    const old = await server.newRun();
    const urgent = await server.newRun({ priority: 5 });
    const forGpu = await server.newRun({ priority: 9, requirements: { device: "gpu" } });
    const big = await server.newRun({ priority: 9, requirements: { minMemoryBytes: 16e9 } });
    const elsewhere = await server.newRun({ priority: 9, requirements: { workerId: randomUUID() } });
    const [a, b] = [await server.newWorker("A"), await server.newWorker("B")];
    const c = await server.newWorker("C");
    expect([(await a.claim()).id, (await b.claim()).id]).toEqual([urgent, old]);
    expect(await c.tryClaim()).toBeNull();
    c.capabilities = { device: "gpu", memoryBytes: 8e9, threads: 4 };
    expect((await c.claim()).id).toBe(forGpu);
    for (const id of [big, elsewhere]) expect((await readRun(server.db, id)).status).toBe("queued");
  });

  it("gives nothing to workers of other stages", async () => {
    await using server = await runsServer({ home });
    await server.newRun();
    const worker = await server.newWorker();
    worker.stages = ["pretrain"];
    expect(await worker.tryClaim()).toBeNull();
  });

  it("gives a worker that did not hear the answer the same lease again", async () => {
    await using server = await runsServer({ home });
    await server.newRun();
    await server.newRun();
    const worker = await server.newWorker();
    const first = await worker.claim();
    expect(await worker.claim()).toEqual(first);
  });

  it("takes the run from a worker's earlier process when a new one asks; the earlier one's writes are refused", async () => {
    await using server = await runsServer({ home });
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const before = await worker.claim();
    worker.session = randomUUID();
    const after = await worker.claim();
    expect([after.id, after.fencing]).toEqual([runId, before.fencing + 1]);
    expect(await worker.heartbeat(before)).toMatchObject({
      status: 409,
      body: { error: { code: "leaseLost" } },
    });
    const { rows } = await server.asAdmin.runs.timeline({ runId, kinds: ["incident"] });
    expect(rows).toMatchObject([{ payload: { what: "workerReplaced" } }]);
    expect((await readRun(server.db, runId)).attempts).toBe(0);
  });
});

describe("a lease", () => {
  it("that is lost returns the run to the queue as an incident, uses up no attempt, and lets no late write in", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const [late, next] = [await server.newWorker("Late"), await server.newWorker("Next")];
    const lost = await late.claim();
    await late.events(lost, [metrics(1, 1, { loss: 3 })]);
    const made = late.checkpoint(lost, { weights: "late" });
    const opened = await late.open(lost, made, { step: 1 });
    await loseLease(server.db, runId);
    expect(await readRun(server.db, runId)).toMatchObject({ status: "queued", workerId: null, attempts: 0 });
    const held = await next.claim();
    expect([held.fencing, held.nextSequence]).toEqual([lost.fencing + 1, 2]);
    const before = await readRun(server.db, runId);
    const writes = [
      await late.heartbeat(lost, { step: 99 }),
      await late.events(lost, [metrics(2, 2, { loss: 0 })]),
      await late.open(lost, made, { step: 1 }),
      await late.put(lost, opened.body.uploadId, {
        file: "model.safetensors",
        part: 0,
        bytes: Buffer.from("late"),
      }),
      await late.post(`uploads/${opened.body.uploadId}/complete`, { fencing: lost.fencing }),
      await late.end(lost, "release", { outcome: "paused", reason: "late" }),
      await late.end(lost, "complete", { checkpointId: null }),
      await late.end(lost, "fail", { cause: "code", reason: "late" }),
      // Nor with the number of the lease that another one holds.
      await late.heartbeat({ ...lost, fencing: held.fencing }),
    ];
    for (const { status, body } of writes) expect([status, body.error?.code]).toEqual([409, "leaseLost"]);
    expect(writes[0]?.body.error?.message).toContain(`Lease ${lost.fencing} of run ${lost.number} has ended`);
    expect(await readRun(server.db, runId)).toEqual(before);
    const { rows } = await server.asAdmin.runs.timeline({ runId, kinds: ["incident"] });
    expect(rows).toMatchObject([{ payload: { what: "workerLost" } }]);
    const told = await server.asAdmin.notifications.list({});
    expect(told).toMatchObject({ unread: 1, notifications: [{ kind: "workerLost", run: { id: runId } }] });
  });

  it("is prolonged by what the worker sends, by the server's clock alone", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    for (const write of [() => worker.heartbeat(run), () => worker.events(run, [log(1, "x")])]) {
      await server.db.update(runs).set({ leaseExpiresAt: sql`now() + interval '1 second'` });
      await write();
      const { leaseExpiresAt } = await readRun(server.db, runId);
      expect((leaseExpiresAt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(30_000);
    }
    expect(await sweepLeases(server.db)).toBe(0);
    // A worker's clock, a century off, is no part of any message: what it sends is dropped.
    const skewed = { ...log(2, "y"), at: "2126-01-01T00:00:00Z" };
    expect((await worker.events(run, [skewed])).status).toBe(200);
    const events = await server.db.select().from(runEvents).where(eq(runEvents.runId, runId));
    for (const { at } of events) expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(60_000);
  });

  it("pins the number of threads at the first claim: results repeat only with it", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const [first, second] = [await server.newWorker("A"), await server.newWorker("B")];
    first.capabilities.threads = 64;
    expect((await first.claim()).config.threads).toBe(8);
    await loseLease(server.db, runId);
    expect((await second.claim()).config.threads).toBe(8);
  });
});

describe("events", () => {
  it("are stored once, in order, whatever comes twice or out of order", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    const sent = [log(3, "c"), log(1, "a"), metrics(2, 1, { loss: 2, lr: 0.1 }), log(1, "a")];
    expect((await worker.events(run, sent)).body).toEqual({ nextSequence: 4, stored: 3, absorbed: 1 });
    expect((await worker.events(run, sent)).body).toEqual({ nextSequence: 4, stored: 0, absorbed: 4 });
    // What was acknowledged stays as it was, whatever is sent under its number later.
    expect((await worker.events(run, [log(1, "other"), log(4, "d")])).body).toMatchObject({
      stored: 1,
      absorbed: 1,
    });
    const { rows } = await server.asAdmin.runs.timeline({ runId, kinds: ["log"] });
    expect(rows.map(({ payload }) => "text" in payload && payload.text)).toEqual(["d", "c", "a"]);
  });

  it("after a gap are refused with the number to go on from, and nothing of them is stored", async () => {
    await using server = await runsServer();
    await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    await worker.events(run, [log(1, "a")]);
    const { status, body } = await worker.events(run, [log(2, "b"), log(4, "d")]);
    expect([status, body.error]).toMatchObject([409, { code: "eventGap", expected: 2, missing: 3 }]);
    expect((await worker.events(run, [log(2, "b"), log(3, "c"), log(4, "d")])).body).toMatchObject({
      stored: 3,
    });
  });

  it("count on across workers; a step computed again replaces what it said before", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const [a, b] = [await server.newWorker("A"), await server.newWorker("B")];
    const first = await a.claim();
    await a.events(first, [
      metrics(1, 1, { loss: 3 }),
      metrics(2, 2, { loss: 2 }),
      metrics(3, 2, { validationLoss: 2.5 }),
    ]);
    await loseLease(server.db, runId);
    const second = await b.claim();
    expect(second.nextSequence).toBe(4);
    await b.events(second, [metrics(4, 2, { loss: null })], { totalSteps: 10 });
    const rows = await server.db
      .select()
      .from(runMetrics)
      .where(eq(runMetrics.runId, runId))
      .orderBy(runMetrics.step);
    expect(rows.map(({ values }) => values)).toEqual([{ loss: 3 }, { loss: null, validationLoss: 2.5 }]);
    expect(await readRun(server.db, runId)).toMatchObject({ step: 2, totalSteps: 10 });
  });
});

describe("a run", () => {
  it("is paused by its next heartbeat, and goes on from the checkpoint it left", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    expect(run.resume).toBeNull();
    expect((await worker.heartbeat(run, { step: 3, totalSteps: 9 })).body.order).toBe("continue");
    await server.asAdmin.runs.pause({ runId });
    expect((await worker.heartbeat(run)).body.order).toBe("pause");
    const checkpointId = await worker.upload(run, { step: 3, weights: "three", state: "at three" });
    expect((await worker.end(run, "release", { outcome: "paused" })).body).toEqual({
      status: "paused",
      absorbed: false,
    });
    expect((await worker.end(run, "release", { outcome: "paused" })).body).toEqual({
      status: "paused",
      absorbed: true,
    });
    expect(await worker.tryClaim()).toBeNull();
    await server.asAdmin.runs.resume({ runId });
    const again = await worker.claim();
    expect(again.resume).toMatchObject({ id: checkpointId, step: 3 });
    expect((await worker.fetchFile(checkpointId, "state/state.json")).toString()).toBe("at three");
    expect(sha256(await worker.fetchManifest(checkpointId))).toBe(checkpointId);
  });

  it("goes on when the pause was taken back before the worker let go", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    await server.asAdmin.runs.pause({ runId });
    await server.asAdmin.runs.resume({ runId });
    expect((await worker.end(run, "release", { outcome: "paused" })).body).toMatchObject({
      status: "queued",
    });
  });

  it("that pauses itself says why, and admins are told", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const reason = "Three steps in a row were not finite.";
    await worker.end(await worker.claim(), "release", { outcome: "paused", reason });
    expect(await readRun(server.db, runId)).toMatchObject({ status: "paused", reason, attempts: 0 });
    expect((await server.asAdmin.notifications.list({})).notifications).toMatchObject([
      { kind: "runPaused" },
    ]);
  });

  it("is cancelled by its next heartbeat, or at once when the worker is lost", async () => {
    await using server = await runsServer();
    const [told, lost, waiting] = [await server.newRun(), await server.newRun(), await server.newRun()];
    const [a, b] = [await server.newWorker("A"), await server.newWorker("B")];
    const [runA, runB] = [await a.claim(), await b.claim()];
    for (const runId of [told, lost, waiting]) await server.asAdmin.runs.cancel({ runId });
    expect((await readRun(server.db, waiting)).status).toBe("cancelled");
    expect((await a.heartbeat(runA)).body.order).toBe("cancel");
    expect((await a.end(runA, "release", { outcome: "cancelled" })).body).toMatchObject({
      status: "cancelled",
    });
    await loseLease(server.db, runB.id);
    expect((await readRun(server.db, lost)).status).toBe("cancelled");
  });

  it("fails at the third failure of its code without a new checkpoint, and says why", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const again = async () => {
      // A run whose code failed waits a little.
      expect(await worker.tryClaim()).toBeNull();
      await server.db.update(runs).set({ notBefore: null });
      return worker.claim();
    };
    const fail = async (run: Awaited<ReturnType<typeof worker.claim>>) =>
      (await worker.end(run, "fail", { cause: "code", reason: "TypeError: x" })).body.status;
    let run = await worker.claim();
    await worker.upload(run, { step: 5, weights: "five" });
    expect([await fail(run), (await readRun(server.db, runId)).attempts]).toEqual(["queued", 0]);
    run = await again();
    expect([await fail(run), (await readRun(server.db, runId)).attempts]).toEqual(["queued", 1]);
    run = await again();
    // The machine's failures between them do not count.
    await worker.end(run, "fail", { cause: "infrastructure", reason: "out of memory" });
    run = await worker.claim();
    // The same weights again are no progress; new ones are.
    await worker.upload(run, { step: 5, weights: "five" });
    expect([await fail(run), (await readRun(server.db, runId)).attempts]).toEqual(["queued", 2]);
    run = await again();
    await worker.upload(run, { step: 6, weights: "six" });
    expect([await fail(run), (await readRun(server.db, runId)).attempts]).toEqual(["queued", 0]);
    for (const attempts of [1, 2]) {
      expect([await fail(await again()), (await readRun(server.db, runId)).attempts]).toEqual([
        "queued",
        attempts,
      ]);
    }
    expect(await fail(await again())).toBe("failed");
    const detail = await server.asAdmin.runs.get({ runId });
    expect(detail).toMatchObject({ status: "failed", attempts: 3 });
    expect(detail.reason).toMatch(/3 times in a row .*TypeError: x/);
    expect((await server.asAdmin.notifications.list({})).notifications[0]).toMatchObject({
      kind: "runFailed",
    });
    await server.asAdmin.runs.resume({ runId });
    expect(await readRun(server.db, runId)).toMatchObject({ status: "queued", attempts: 0, endedAt: null });
  });

  it("fails at once over what cannot be used, with the reason as it is; one that was to be cancelled is cancelled", async () => {
    await using server = await runsServer();
    const worker = await server.newWorker();
    const reason = "data.jsonl:7 has no response";
    const end = async (runId: string, act: () => Promise<unknown> = async () => {}) => {
      const run = await worker.claim();
      expect(run.id).toBe(runId);
      await act();
      return (await worker.end(run, "fail", { cause: "unfit", reason })).body.status;
    };
    const runId = await server.newRun();
    expect(await end(runId)).toBe("failed");
    expect(await readRun(server.db, runId)).toMatchObject({ status: "failed", attempts: 0, reason });
    const incidents = await server.asAdmin.runs.timeline({ runId, kinds: ["incident"] });
    expect(incidents.rows).toMatchObject([{ payload: { what: "badData", text: reason } }]);
    expect((await server.asAdmin.notifications.list({})).notifications).toMatchObject([
      { kind: "runFailed", text: `Run 1 (Test) failed. ${reason}` },
    ]);
    const other = await server.newRun();
    expect(await end(other, () => server.asAdmin.runs.cancel({ runId: other }))).toBe("cancelled");
  });

  it("is paused when its process is killed five times without a new checkpoint, and not before", async () => {
    await using server = await runsServer();
    const { asAdmin } = server;
    const runId = await server.newRun();
    const worker = await server.newWorker();
    let run = await worker.claim();
    let sequence = 0;
    const kill = async (times: number) => {
      for (let i = 0; i < times; i++) {
        const event = { sequence: ++sequence, type: "incident", what: "processKilled", text: "Killed." };
        await worker.events(run, [event]);
        // Sent again, because the answer was lost: counted once.
        await worker.events(run, [event]);
      }
    };
    const order = async () => (await worker.heartbeat(run)).body.order;
    await kill(4);
    await worker.upload(run, { step: 1, weights: "one" });
    await kill(4);
    expect(await order()).toBe("continue");
    // Another worker goes on, and falls over the same memory.
    await loseLease(server.db, runId);
    run = await worker.claim();
    expect(await order()).toBe("continue");
    await kill(1);
    expect(await order()).toBe("pause");
    await worker.end(run, "release", { outcome: "paused" });
    const reason = expect.stringMatching(/killed by the system 5 times without getting further; .* memory/);
    expect(await asAdmin.runs.get({ runId })).toMatchObject({
      status: "paused",
      attempts: 0,
      reason,
      changedBy: null,
    });
    const { notifications } = await asAdmin.notifications.list({});
    expect(notifications.filter(({ kind }) => kind === "runPaused")).toMatchObject([{ text: reason }]);

    await asAdmin.runs.resume({ runId });
    run = await worker.claim();
    await kill(4);
    expect(await order()).toBe("continue");
    await kill(1);
    // Even if its worker is lost before it could obey.
    await loseLease(server.db, runId);
    expect(await asAdmin.runs.get({ runId })).toMatchObject({ status: "paused", reason });
    expect(
      (await asAdmin.notifications.list({})).notifications.filter(({ kind }) => kind === "runPaused"),
    ).toHaveLength(2);
  });

  it("loses fifty workers without using up an attempt", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    for (let i = 0; i < 50; i++) {
      await worker.claim();
      await loseLease(server.db, runId);
    }
    expect(await readRun(server.db, runId)).toMatchObject({ status: "queued", attempts: 0, fencing: 50 });
    const { rows } = await server.asAdmin.runs.timeline({ runId, kinds: ["incident"] });
    expect(rows).toHaveLength(50);
  });

  it("finishes with a checkpoint of its own, once", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const worker = await server.newWorker();
    const run = await worker.claim();
    const checkpointId = await worker.upload(run, { step: 9, weights: "nine", isBest: true });
    expect(await worker.end(run, "complete", { checkpointId: server.baseCheckpointId })).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining("has uploaded no checkpoint") } },
    });
    const done = { checkpointId, summary: { validationLoss: 1.5 } };
    expect((await worker.end(run, "complete", done)).body).toEqual({ status: "finished", absorbed: false });
    expect((await worker.end(run, "complete", done)).body).toEqual({ status: "finished", absorbed: true });
    expect(await server.asAdmin.runs.get({ runId })).toMatchObject({
      status: "finished",
      worker: null,
      checkpoints: [{ id: checkpointId, step: 9, isBest: true, hasState: true }],
    });
    const [made] = await server.asAdmin.models.checkpoints();
    expect(made).toMatchObject({ parentId: server.baseCheckpointId, run: { id: runId, step: 9 } });
  });
});

describe("what a worker fetches", () => {
  it("is the data of the run it holds, in ranges, with a manifest that proves every line", async () => {
    await using server = await runsServer();
    await server.newRun();
    const worker = await server.newWorker();
    const stranger = await server.newWorker("Stranger");
    const run = await worker.claim();
    const [data] = run.datasets;
    const whole = Array.from({ length: 5 }, (_, i) => `${demonstration(i)}\n`).join("");
    const at = `datasets/${data?.id}/rows`;
    const response = await worker.send("GET", at);
    expect(await response.text()).toBe(whole);
    const bytes = Buffer.from(whole);
    expect(data?.sizeBytes).toBe(bytes.length);
    const etag = response.headers.get("etag") ?? "";
    for (const [start, end] of [
      [0, 0],
      [10, 99],
      [bytes.length - 7, bytes.length - 1],
    ] as const) {
      const part = await worker.send("GET", at, {
        headers: { range: `bytes=${start}-${end}`, "if-range": etag },
      });
      expect(part.status).toBe(206);
      expect(part.headers.get("content-range")).toBe(`bytes ${start}-${end}/${bytes.length}`);
      expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(start, end + 1));
    }
    const beyond = await worker.send("GET", at, { headers: { range: `bytes=${bytes.length}-` } });
    expect(beyond.status).toBe(416);
    const hashes = await (await worker.send("GET", `datasets/${data?.id}/hashes`)).text();
    expect(sha256(hashes)).toBe(data?.sha256);
    expect(hashes.trim().split("\n")).toEqual(whole.trim().split("\n").map(sha256));
    expect((await stranger.send("GET", at)).status).toBe(404);
    expect((await stranger.send("GET", `checkpoints/${run.base?.id}/files/model.safetensors`)).status).toBe(
      404,
    );
  });

  it("is the base checkpoint, each file with its sha256 as ETag, whole or in ranges", async () => {
    await using server = await runsServer();
    await server.newRun();
    const worker = await server.newWorker();
    const { base } = await worker.claim();
    if (!base) throw new Error("There is no base.");
    expect(Object.keys(base.files).sort()).toEqual(["attune.json", "config.json", "model.safetensors"]);
    for (const [name, { sha256: expected }] of Object.entries(base.files)) {
      expect(sha256(await worker.fetchFile(base.id, name))).toBe(expected);
    }
    const at = `checkpoints/${base.id}/files/model.safetensors`;
    const etag = `"${base.files["model.safetensors"]?.sha256}"`;
    const part = await worker.send("GET", at, { headers: { range: "bytes=8-" } });
    expect([part.status, part.headers.get("etag"), await part.text()]).toEqual([206, etag, "of the base"]);
    expect((await worker.send("GET", at, { headers: { "if-none-match": etag } })).status).toBe(304);
    const changed = await worker.send("GET", at, { headers: { range: "bytes=8-", "if-range": '"other"' } });
    expect([changed.status, await changed.text()]).toEqual([200, "weights of the base"]);
  });
});
