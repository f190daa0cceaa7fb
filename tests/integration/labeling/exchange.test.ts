/** @file Rankings in and out: imports keep what the file said, exports and snapshots hold what may be used, and no more. */
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { eq } from "drizzle-orm";
import { parquetReadObjects } from "hyparquet";
import { expect, it } from "vitest";
import {
  batches,
  demonstrations,
  imports,
  labelerGroups,
  labelers,
  prompts,
  rankings,
  rankingTasks,
} from "@/drizzle/schema";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import type { Db } from "@/server/db/db";
import { readRankings } from "@/server/domain/agreement/read-rankings";
import { readControlCommand, runControlCommand } from "@/server/domain/control";
import { readDatasetRows } from "@/server/domain/datasets";
import { exportLayouts, exportRankings } from "@/server/domain/exchange/export-rankings";
import {
  importFile,
  listImports,
  readImport,
  receivePart,
  removeImport,
  resumeImports,
  startImport,
} from "@/server/domain/exchange/imports";
import { snapshotDemonstrationsOf, snapshotRankingsOf } from "@/server/domain/exchange/make-snapshot";
import { rankingFilterSchema, readRankedPrompts } from "@/server/domain/exchange/read-ranked-prompts";
import { loadEnv } from "@/server/env";
import { makeBatch, makeLabeler } from "../../helpers/labeling";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const everything = rankingFilterSchema.parse({});
const named = { name: "S", description: "", actorId: null };

const record = (text: string, ranks: (number | null)[][]): RankedPrompt => ({
  id: `id of ${text}`,
  prompt: [
    { role: "system", content: "Be brief." },
    { role: "user", content: text },
  ],
  responses: [{ text: "one", model: "m-1", meta: { score: 0.5 } }, { text: "two" }, { text: "" }],
  rankings: ranks.map((of, i) => ({
    ranks: of,
    labeler: `l-${i}`,
    instructionVersion: "7",
    noneAcceptable: i > 0,
    at: "2025-03-01T12:00:00+01:00",
    meta: { seconds: 3 },
  })),
  meta: { source: "elsewhere" },
});

const records = [
  record("first", [
    [1, 2, 2],
    [3, 1, null],
  ]),
  record("second", [[2, 5, 9]]),
];
const asLines = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).join("\n");

async function exported(db: Db, layout: Parameters<typeof exportRankings>[1]["layout"]): Promise<string> {
  const { bytes } = await exportRankings(db, { ...everything, layout, withHeldOut: true, actorId: null });
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

async function readAll(db: Db) {
  const tasks = [];
  for await (const task of readRankedPrompts(db, { ...everything, withHeldOut: true })) tasks.push(task);
  return tasks;
}

/** One labeler ranks the next task in the order in which it was made. */
async function rankNext(db: Db, labeler: Awaited<ReturnType<typeof makeLabeler>>): Promise<string> {
  const caller = callerFor(db, labeler).labeling;
  const given = await caller.next({});
  if (!("task" in given)) throw new Error(given.noTask.text);
  const tiers = given.task.responses.toSorted((a, b) => a.text.localeCompare(b.text)).map(({ id }) => [id]);
  const { claimId } = given.task;
  return (await caller.submit({ claimId, mode: "board", tiers, activeMs: 1 })).rankingId;
}

describeEachDatabase("rankings in and out", (home) => {
  it("refuses a file that was imported before, naming when, unless it is meant", async () => {
    await using t = await testDatabase(home);
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "pairs.jsonl");
    writeFileSync(file, '{"prompt": "p", "chosen": "a", "rejected": "b"}\n');
    const wanted = { file, layout: null, actorId: null };
    const { importId } = await importFile(t.db, wanted);
    await expect(importFile(t.db, wanted)).rejects.toThrow(
      new RegExp(`A file pairs.jsonl of 48 bytes was imported on \\d{4}-.* UTC \\(import ${importId}\\)`),
    );
    expect(await t.db.$count(imports)).toBe(1);
    await importFile(t.db, { ...wanted, isAgain: true });
    expect(await t.db.$count(rankings)).toBe(2);
    appendFileSync(file, '{"prompt": "q", "chosen": "a", "rejected": "b"}\n');
    await importFile(t.db, wanted);
  });

  it("gives back exactly what was imported", async () => {
    await using t = await testDatabase(home);
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "rankings.jsonl");
    writeFileSync(file, asLines(records));
    const { counts, faults } = await importFile(t.db, { file, layout: null, actorId: null });
    expect(faults).toEqual([]);
    expect(counts).toEqual({ prompts: 2, responses: 6, rankings: 3, comparisons: 6, ties: 1, unfit: 0 });
    const lines = (await exported(t.db, "kWay")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      records.map((one) => ({ formatVersion: 1, ...one })),
    );
  });

  it("says how many responses the tasks of an import have, which differ", async () => {
    await using t = await testDatabase(home);
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "rankings.jsonl");
    const two = record("third", [[1, 2]]);
    writeFileSync(file, asLines([...records, { ...two, responses: two.responses.slice(0, 2) }]));
    await importFile(t.db, { file, layout: null, actorId: null });
    const [imported] = await t.db.select({ id: batches.id }).from(batches);
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    const { madeElsewhere } = await lead.batches.get({ batchId: imported?.id ?? "" });
    expect(madeElsewhere).toEqual({ least: 2, most: 3 });
  });

  it("writes from the terminal what the page gives, in every layout, and reads it back the same", async () => {
    await using t = await testDatabase(home);
    await using other = await testDatabase(home);
    await using folder = await temporaryFolder();
    const from = path.join(folder.path, "rankings.jsonl");
    writeFileSync(from, asLines(records));
    await importFile(t.db, { file: from, layout: null, actorId: null });
    const env = loadEnv({});
    const ask = (command: object, { db } = t) =>
      runControlCommand({ db, env, chat: null }, readControlCommand(command));
    for (const layout of exportLayouts) {
      const file = path.join(folder.path, "out", layout);
      await ask({ command: "exportRankings", file, layout });
      // Parquet's bytes are no text.
      expect(readFileSync(file).toString("utf8")).toBe(await exported(t.db, layout));
    }
    const file = path.join(folder.path, "out", "kWay");
    expect(await ask({ command: "exportRankings", file, layout: "kWay" })).toEqual({
      file,
      sizeBytes: readFileSync(file).byteLength,
      prompts: 2,
      rankings: 3,
    });
    await ask({ command: "importRankings", file }, other);
    expect(await exported(other.db, "kWay")).toBe(readFileSync(file, "utf8"));
    const parquet = await parquetReadObjects({
      file: new Uint8Array(readFileSync(path.join(folder.path, "out", "parquet"))).buffer,
    });
    expect(parquet.map(({ id }) => id)).toEqual(records.map(({ id }) => id));
  });

  it("writes only what the filter lets through, and leaves no half a file", async () => {
    await using t = await testDatabase(home);
    await using folder = await temporaryFolder();
    const [first, second] = [await makeBatch(t.db), await makeBatch(t.db)];
    const labeler = await makeLabeler(t.db);
    await rankNext(t.db, labeler);
    await rankNext(t.db, labeler);
    const env = loadEnv({});
    const file = path.join(folder.path, "out.jsonl");
    const ask = (filter: object, to = file) =>
      runControlCommand(
        { db: t.db, env, chat: null },
        readControlCommand({ command: "exportRankings", file: to, layout: "kWay", ...filter }),
      );
    expect(await ask({})).toMatchObject({ prompts: 2, rankings: 2 });
    expect(await ask({ batchIds: [second.batchId] })).toMatchObject({ prompts: 1 });
    expect(readFileSync(file, "utf8")).toContain(`Question 0 of ${second.batchId}`);
    expect(readFileSync(file, "utf8")).not.toContain(first.batchId);
    expect(await ask({ to: "2001-01-01T00:00:00Z" })).toMatchObject({ prompts: 0 });
    expect(await ask({ splits: ["test"] })).toMatchObject({ prompts: 0 });
    await expect(ask({}, folder.path)).rejects.toThrow("cannot be written (EISDIR)");
    expect(() => readControlCommand({ command: "exportRankings", file: "here", layout: "kWay" })).toThrow(
      "must be absolute",
    );
    expect(readdirSync(folder.path)).toEqual(["out.jsonl"]);
  });

  it("names bad lines, keeps the rest, and says why a file is none", async () => {
    await using t = await testDatabase(home);
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "mixed.jsonl");
    writeFileSync(file, `${asLines(records)}\n{"prompt": 3, "responses": []}\nnot json\n`);
    const read = await importFile(t.db, { file, layout: "kWay", actorId: null });
    expect(read.counts).toMatchObject({ prompts: 2, unfit: 2 });
    expect(read.faults.map(({ line }) => line)).toEqual([3, 4]);
    writeFileSync(file, '{"something": "else"}\n');
    await expect(importFile(t.db, { file, layout: null, actorId: null })).rejects.toThrow("fit no layout");
    expect((await listImports(t.db))[0]).toMatchObject({
      status: "failed",
      reason: expect.stringContaining("fit"),
    });
  });

  it("takes a file in parts, reads on after a restart, and takes it back", async () => {
    await using t = await testDatabase(home);
    await using folder = await temporaryFolder();
    const actor = await makePerson(t.db, { role: "admin" });
    const bytes = Buffer.from(asLines(records));
    const size = { name: "r.jsonl", layout: null, sizeBytes: bytes.byteLength, actorId: actor.id };
    const { importId } = await startImport(t.db, size);
    const place = { importId, dataFolder: folder.path };
    await expect(receivePart(t.db, { ...place, part: 1, bytes })).rejects.toThrow("Send part 0 next");
    await expect(readImport(t.db, place)).rejects.toThrow(`0 of ${bytes.byteLength} bytes`);
    expect(await receivePart(t.db, { ...place, part: 0, bytes })).toEqual({ nextPart: 1 });
    expect(await receivePart(t.db, { ...place, part: 0, bytes })).toEqual({ nextPart: 1 });
    const file = path.join(folder.path, "imports", `${importId}.part`);
    await (await readImport(t.db, place)).ended;
    expect(existsSync(file)).toBe(false);
    expect(await listImports(t.db)).toMatchObject([{ status: "finished", counts: { prompts: 2 } }]);
    // As a server leaves it that was killed while it read.
    writeFileSync(file, bytes);
    await t.db.update(imports).set({ status: "reading", endedAt: null }).where(eq(imports.id, importId));
    await resumeImports(t.db, folder.path);
    expect(await t.db.$count(prompts)).toBe(2);
    expect(await readAll(t.db)).toHaveLength(2);
    await removeImport(t.db, { ...place, actorId: actor.id });
    expect(await t.db.$count(prompts)).toBe(0);
    expect(await t.db.$count(rankings)).toBe(0);
    await expect(startImport(t.db, { ...size, sizeBytes: 2 ** 31 })).rejects.toThrow("Split it");
  });

  it("leaves labelers' work alone when the import is taken back whose prompts it is about", async () => {
    await using t = await testDatabase(home);
    await using folder = await temporaryFolder();
    const actor = await makePerson(t.db, { role: "admin" });
    const file = path.join(folder.path, "r.jsonl");
    writeFileSync(file, asLines(records));
    const { importId } = await importFile(t.db, { file, layout: null, actorId: actor.id });
    const [asked] = await t.db.select().from(prompts).where(eq(prompts.importId, importId)).limit(1);
    const { tasks } = await makeBatch(t.db);
    await t.db
      .update(rankingTasks)
      .set({ promptId: asked?.id ?? "" })
      .where(eq(rankingTasks.id, tasks[0]?.taskId ?? ""));
    const kept = await rankNext(t.db, await makeLabeler(t.db));
    await removeImport(t.db, { importId, dataFolder: folder.path, actorId: actor.id });
    expect(await listImports(t.db)).toEqual([]);
    expect(await t.db.select({ id: rankings.id }).from(rankings)).toEqual([{ id: kept }]);
    const left = await t.db.select().from(prompts).where(eq(prompts.source, "import"));
    expect(left.map(({ id }) => id)).toEqual([asked?.id]);
  });

  it("never lets the held-out group's work into a training set", async () => {
    await using t = await testDatabase(home);
    const [group] = await t.db.insert(labelerGroups).values({ name: "H", isHeldOut: true }).returning();
    await makeBatch(t.db, { overlap: 2 });
    const [trained, heldOut] = [
      await makeLabeler(t.db),
      await makeLabeler(t.db, { groupId: group?.id ?? null }),
    ];
    const kept = await rankNext(t.db, trained);
    await rankNext(t.db, heldOut);
    const { id } = await snapshotRankingsOf(t.db, { ...named, filter: everything, agreementFloor: null });
    const { rows } = await readDatasetRows(t.db, { datasetId: id, from: 0, limit: 9 });
    const [only] = rows.map(({ content }) => JSON.parse(content ?? "{}"));
    const [who] = await t.db.select().from(rankings).where(eq(rankings.id, kept));
    expect(only.rankings).toMatchObject([{ labeler: who?.pseudonym, ranks: [1, 2, 3, 4] }]);
    expect((await readAll(t.db))[0]?.record.rankings).toHaveLength(2);
  });

  it("leaves out who is set aside, what was given back, and prompts whose consent is gone", async () => {
    await using t = await testDatabase(home);
    const { tasks } = await makeBatch(t.db, { tasks: 3 });
    const people = [await makeLabeler(t.db), await makeLabeler(t.db), await makeLabeler(t.db)];
    const made = [];
    for (const labeler of people) made.push(await rankNext(t.db, labeler));
    expect(await readAll(t.db)).toHaveLength(3);
    const setAside = { setAsideAt: new Date(), setAsideReason: "Constant orders." };
    await t.db
      .update(labelers)
      .set(setAside)
      .where(eq(labelers.userId, people[0]?.id ?? ""));
    await t.db
      .update(rankings)
      .set({ status: "returned" })
      .where(eq(rankings.id, made[1] ?? ""));
    await t.db
      .update(prompts)
      .set({ status: "reported" })
      .where(eq(prompts.id, tasks[2]?.promptId ?? ""));
    expect(await readAll(t.db)).toEqual([]);
    const nothing = snapshotRankingsOf(t.db, { ...named, filter: everything, agreementFloor: null });
    await expect(nothing).rejects.toThrow("nothing to make a dataset of");
  });

  it("exports and measures the same rankings: a task found impossible to rank counts in neither", async () => {
    await using t = await testDatabase(home);
    const { tasks } = await makeBatch(t.db, { tasks: 2, overlap: 2 });
    for (const labeler of [await makeLabeler(t.db), await makeLabeler(t.db)]) {
      await rankNext(t.db, labeler);
      await rankNext(t.db, labeler);
    }
    const exportedIds = async () => (await readAll(t.db)).map(({ taskId }) => taskId).sort();
    const measuredIds = async () =>
      [...new Set((await readRankings(t.db)).first.map(({ task }) => task))].sort();
    const both = tasks.map(({ taskId }) => taskId).sort();
    expect([await exportedIds(), await measuredIds()]).toEqual([both, both]);
    const [excluded, kept] = tasks.map(({ taskId }) => taskId);
    await t.db
      .update(rankingTasks)
      .set({ status: "excluded", excludedReason: "Cannot be ranked." })
      .where(eq(rankingTasks.id, excluded ?? ""));
    expect([await exportedIds(), await measuredIds()]).toEqual([[kept], [kept]]);
  });

  it("leaves out tasks below the agreement floor", async () => {
    await using t = await testDatabase(home);
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "two.jsonl");
    const agreed = record("agreed", [
      [1, 2, 3],
      [1, 2, 3],
    ]);
    const disputed = record("disputed", [
      [1, 2, 3],
      [3, 2, 1],
    ]);
    writeFileSync(file, asLines([agreed, disputed]));
    await importFile(t.db, { file, layout: null, actorId: null });
    const { rowCount } = await snapshotRankingsOf(t.db, {
      ...named,
      filter: everything,
      agreementFloor: 0.5,
    });
    expect(rowCount).toBe(1);
  });

  it("makes SFT data of demonstrations that a reviewer rated high enough", async () => {
    await using t = await testDatabase(home);
    const { tasks } = await makeBatch(t.db, { tasks: 2 });
    const labeler = await makeLabeler(t.db);
    for (const [i, { promptId }] of tasks.entries()) {
      const values = { promptId, labelerId: labeler.id, pseudonym: "p", guidelinesVersion: 1, rating: 4 + i };
      await t.db.insert(demonstrations).values({ ...values, text: `Ideal ${i}` });
    }
    const { id } = await snapshotDemonstrationsOf(t.db, { ...named, minRating: 5 });
    const { rows } = await readDatasetRows(t.db, { datasetId: id, from: 0, limit: 9 });
    expect(rows.map(({ content }) => JSON.parse(content ?? "").messages.at(-1))).toEqual([
      { role: "assistant", content: "Ideal 1" },
    ]);
  });
});
