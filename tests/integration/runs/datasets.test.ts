/** @file Dataset snapshots: uploaded in parts, sealed, erased by person; and what the schema itself refuses. */
import { createHash } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { datasetRows, datasets, runEvents, runs, users } from "@/drizzle/schema";
import { hashPassword } from "@/server/auth/passwords";
import { exportAccount } from "@/server/domain/account-data";
import { setPassword } from "@/server/domain/account-password";
import { createSnapshot, sweepDatasets } from "@/server/domain/datasets-make";
import { demonstration, type RunsServer, runsServer } from "../../helpers/runs-server";
import { callerFor, makePerson, testEnv } from "../../helpers/test-context";
import { describeEachDatabase } from "../../helpers/test-database";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error("nothing was refused"),
    (thrown: unknown) => thrown,
  );
  return error instanceof Error ? String(error.cause ?? error.message) : String(error);
}

const start = async (server: RunsServer, kind: "demonstrations" | "documents" = "demonstrations") =>
  (await server.asAdmin.datasets.start({ name: "Upload", kind })).datasetId;

describe("an upload", () => {
  it("is rows in parts, each once, under the sha256 of their hashes", async () => {
    await using server = await runsServer();
    const datasetId = await start(server);
    const lines = Array.from({ length: 1203 }, (_, i) => demonstration(i));
    const parts = [lines.slice(0, 700), lines.slice(700)].map((part) => `${part.join("\n")}\n\n`);
    const add = (part: number, text = parts[part] ?? "") =>
      server.asAdmin.datasets.addLines({ datasetId, part, text });
    expect(await add(0)).toMatchObject({ nextPart: 1, rowCount: 700, absorbed: false });
    expect(await add(0)).toMatchObject({ nextPart: 1, rowCount: 700, absorbed: true });
    await expect(add(2, parts[1])).rejects.toThrow(/Part 2 came before part 1/);
    expect(await add(1)).toMatchObject({ rowCount: 1203 });
    const manifest = sha256(lines.map((line) => `${sha256(line)}\n`).join(""));
    expect(await server.asAdmin.datasets.seal({ datasetId })).toMatchObject({
      sha256: manifest,
      rowCount: 1203,
      erasedRows: 0,
      sizeBytes: Buffer.byteLength(`${lines.join("\n")}\n`),
    });
    await expect(add(2, demonstration(0))).rejects.toThrow(/sealed/);
    await expect(server.asAdmin.datasets.seal({ datasetId })).rejects.toThrow(/sealed/);
    expect(await server.asAdmin.datasets.verify({ datasetId })).toEqual({ ok: true, erasedRows: 0 });
    const page = await server.asAdmin.datasets.rows({ datasetId, cursor: 1200 });
    expect(page).toMatchObject({
      nextPosition: null,
      rows: [{ position: 1200, content: lines[1200] }, {}, {}],
    });
  });

  it.each([
    ["demonstrations", '{"prompt": "a"}', /line 2 has none of the fields/],
    ["demonstrations", "{", /line 2 is not JSON/],
    [
      "demonstrations",
      '{"messages": [{"role": "user", "content": "a"}]}',
      /line 2 does not end with an assistant/,
    ],
    ["documents", '{"text": " "}', /line 2 text: is empty/],
    [
      "documents",
      JSON.stringify({ text: "x".repeat(1_100_000) }),
      /line 2 has \d+ bytes; a row may have 1048576/,
    ],
  ] as const)(
    "of %s names a line that is none (%#), or leaves it out where asked",
    async (kind, bad, message) => {
      await using server = await runsServer();
      const datasetId = await start(server, kind);
      const good = kind === "documents" ? '{"text": "a"}' : demonstration(0);
      const text = `${good}\n${bad}\n${good}`;
      await expect(server.asAdmin.datasets.addLines({ datasetId, part: 0, text })).rejects.toThrow(message);
      expect(await server.db.$count(datasetRows, eq(datasetRows.datasetId, datasetId))).toBe(0);
      const added = await server.asAdmin.datasets.addLines({ datasetId, part: 0, text, onBadLine: "skip" });
      expect(added).toMatchObject({ rowCount: 2, skippedLines: 1, faults: [{ line: 2 }] });
    },
  );

  it("without rows is not sealed; one given up is removed after a week", async () => {
    await using server = await runsServer();
    const datasetId = await start(server);
    await expect(server.asAdmin.datasets.seal({ datasetId })).rejects.toThrow(/no row/);
    expect(await sweepDatasets(server.db)).toBe(0);
    expect(await sweepDatasets(server.db, new Date(Date.now() + 8 * 24 * 3600 * 1000))).toBe(1);
  });
});

describeEachDatabase("the schema", (home) => {
  it("keeps sealed rows as they are, and lets them be erased", async () => {
    await using server = await runsServer({ home });
    const { db, datasetId } = server;
    const change = (set: string) =>
      refusal(db.execute(sql.raw(`update dataset_rows set ${set} where position = 0`)));
    expect(await change("content = '{}'")).toMatch(/only erased/);
    expect(await change(`hash = '${"a".repeat(64)}'`)).toMatch(/only erased/);
    expect(await change("position = 77")).toMatch(/only erased/);
    expect(await refusal(db.execute(sql`delete from dataset_rows`))).toMatch(/sealed: delete refused/);
    const row = { datasetId, position: 9, hash: "a".repeat(64), content: "{}" };
    expect(await refusal(db.insert(datasetRows).values(row))).toMatch(/sealed: insert refused/);
    const rename = (set: string) =>
      refusal(db.execute(sql.raw(`update datasets set ${set} where sealed_at is not null`)));
    expect(await rename(`sha256 = '${"a".repeat(64)}'`)).toMatch(/sealed: update refused/);
    expect(await rename("row_count = 4")).toMatch(/sealed: update refused/);
    expect(await rename("sealed_at = null, sha256 = null")).toMatch(/sealed: update refused/);
    await db.execute(sql`update dataset_rows set content = null where position = 0`);
    expect(await server.asAdmin.datasets.verify({ datasetId })).toEqual({ ok: true, erasedRows: 1 });
    expect(await change("content = '{}'")).toMatch(/only erased/);
  });

  it("lets no one's words outlive their account, whoever deletes it", async () => {
    await using server = await runsServer({ home });
    const { db } = server;
    const bob = await makePerson(db);
    const rows = [
      { content: demonstration(1), ownerId: bob.id },
      { content: demonstration(2), ownerId: null },
    ];
    const made = await createSnapshot(db, {
      name: "B",
      kind: "demonstrations",
      description: "",
      actorId: null,
      rows,
    });
    await db.delete(users).where(eq(users.id, bob.id));
    const left = await server.asAdmin.datasets.rows({ datasetId: made.id });
    expect(left.rows.map(({ content }) => content)).toEqual([null, demonstration(2)]);
  });

  it("keeps runs that cannot be out", async () => {
    await using server = await runsServer({ home });
    const runId = await server.newRun();
    const set = (what: string) => refusal(server.db.execute(sql.raw(`update runs set ${what}`)));
    expect(await set("status = 'running'")).toMatch(/runs_lease/);
    expect(await set("status = 'dancing'")).toMatch(/runs_/);
    expect(await set("status = 'finished'")).toMatch(/runs_ended/);
    expect(await set("status = 'failed', ended_at = now()")).toMatch(/runs_failed/);
    expect(await set("stage = 'magic'")).toMatch(/runs_stage/);
    expect(await set("worker_id = gen_random_uuid()")).toMatch(/runs_lease/);
    const event = { runId, number: 50, sequence: 1, kind: "log", payload: {} } as const;
    await server.db.insert(runEvents).values(event);
    expect(await refusal(server.db.insert(runEvents).values({ ...event, number: 51 }))).toMatch(
      /run_events_sequence/,
    );
    expect(await refusal(server.db.insert(runEvents).values({ ...event, sequence: 2 }))).toMatch(
      /run_events/,
    );
    expect(await refusal(server.db.delete(datasets))).toMatch(/run_datasets_dataset_id/);
  });
});

describe("deleting a person's data", () => {
  it("erases their rows and the samples made of them, and pauses what would learn from the rest unasked", async () => {
    await using server = await runsServer();
    const { db, asAdmin } = server;
    const bob = await makePerson(db, { name: "Bob" });
    const password = "the first password";
    const passwordHash = await hashPassword(password);
    await db.transaction((tx) => setPassword(tx, bob.id, passwordHash));
    const rows = [0, 1, 2].map((i) => ({ content: demonstration(i), ownerId: i === 1 ? bob.id : null }));
    const made = await createSnapshot(db, {
      name: "Mixed",
      kind: "demonstrations",
      description: "",
      actorId: null,
      rows,
    });
    const change = { datasets: [{ datasetId: made.id }] };
    const [running, waiting] = [await server.newRun(change), await server.newRun(change)];
    const worker = await server.newWorker();
    const run = await worker.claim();
    const sample = (sequence: number, position: number) => ({
      sequence,
      type: "sample",
      step: 1,
      prompt: `Question ${position}?`,
      response: "r",
      source: { datasetId: made.id, position },
    });
    await worker.events(run, [sample(1, 0), sample(2, 1)]);

    let exported = "";
    for await (const part of exportAccount(db, bob.id)) exported += part;
    expect(JSON.parse(exported).datasetRows).toEqual([
      { datasetId: made.id, position: 1, content: demonstration(1) },
    ]);
    const asBob = callerFor(db, bob, {
      env: testEnv({ ATTUNE_BACKUP_HOURS: "24", ATTUNE_BACKUP_KEEP: "7" }),
    });
    const days = ((await asBob.account.backupsForget())?.getTime() ?? 0) - Date.now();
    expect(days / 24 / 3600 / 1000).toBeCloseTo(7, 3);
    await asBob.account.delete({ password });

    expect(await asAdmin.datasets.get({ datasetId: made.id })).toMatchObject({
      sha256: made.sha256,
      rowCount: 3,
      erasedRows: 1,
    });
    expect(await asAdmin.datasets.verify({ datasetId: made.id })).toEqual({ ok: true, erasedRows: 1 });
    const { rows: samples } = await asAdmin.runs.timeline({ runId: running, kinds: ["sample"] });
    expect(samples.map(({ payload }) => payload)).toEqual([
      { erased: true },
      expect.objectContaining({ prompt: "Question 0?" }),
    ]);
    expect((await worker.heartbeat(run)).body.order).toBe("pause");
    expect((await worker.end(run, "release", { outcome: "paused" })).body.status).toBe("paused");
    for (const runId of [running, waiting]) {
      const detail = await asAdmin.runs.get({ runId });
      expect(detail).toMatchObject({
        status: "paused",
        notReproducible: "1 row of dataset “Mixed” was erased.",
      });
      expect(detail.reason).toMatch(/^1 row of dataset “Mixed” was erased after this run was made/);
      expect(detail.obstacles).toEqual([
        { kind: "erased", text: "1 of 3 rows of its dataset “Mixed” were erased." },
      ]);
    }
    await expect(asAdmin.runs.resume({ runId: waiting })).rejects.toThrow(
      /1 of 3 rows .* were erased.*learn from what is left/,
    );
    await expect(server.newRun(change)).rejects.toThrow(/1 of 3 rows/);
    await asAdmin.runs.resume({ runId: waiting, acceptErased: true });
    const next = await worker.claim();
    expect(next.datasets).toMatchObject([{ sha256: made.sha256, rowCount: 3, erasedRows: 1 }]);
    const left = await (await worker.send("GET", `datasets/${made.id}/rows`)).text();
    expect(left).toBe(`${demonstration(0)}\n\n${demonstration(2)}\n`);
    const audit = await asAdmin.audit.list({ action: "dataset.rowsErased" });
    expect(audit.rows).toMatchObject([{ subject: made.id, details: { rows: 1 }, actor: null }]);
    const later = await server.newRun({ ...change, acceptErased: true });
    expect((await asAdmin.runs.get({ runId: later })).notReproducible).toMatch(/1 of 3 rows/);
  });
});

describe("a dataset", () => {
  it("is not deleted while a run learns from it; afterwards its manifest stays and nothing starts over it", async () => {
    await using server = await runsServer();
    const { datasetId, asAdmin } = server;
    const runId = await server.newRun();
    await expect(asAdmin.datasets.delete({ datasetId })).rejects.toThrow(/Run 1 learns from this dataset/);
    await asAdmin.runs.cancel({ runId });
    await asAdmin.datasets.delete({ datasetId });
    expect(await asAdmin.datasets.verify({ datasetId })).toEqual({ ok: true, erasedRows: 5 });
    await expect(server.newRun()).rejects.toThrow(/dataset “Answers” was deleted/);
    await expect(asAdmin.runs.clone({ runId })).rejects.toThrow(/dataset “Answers” was deleted/);
    expect((await asAdmin.runs.get({ runId })).notReproducible).toMatch(
      /5 rows of dataset “Answers” were erased/,
    );
    await expect(asAdmin.datasets.delete({ datasetId })).rejects.toThrow(/deleted already/);
  });

  it("of another kind, or not sealed, starts no run", async () => {
    await using server = await runsServer();
    const datasetId = await start(server, "documents");
    await expect(server.newRun({ datasets: [{ datasetId }] })).rejects.toThrow(
      /holds documents; sft takes demonstrations here/,
    );
    const draft = await start(server);
    await expect(server.newRun({ datasets: [{ datasetId: draft }] })).rejects.toThrow(/still being uploaded/);
    expect(await server.db.$count(runs)).toBe(0);
  });
});
