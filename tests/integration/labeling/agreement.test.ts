/** @file Agreement figures on rankings few enough to count by hand: who counts, what ties do, whom a lead may tell apart. */
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import {
  guidelines,
  labelerGroups,
  labelers,
  prompts,
  rankedResponses,
  rankings,
  rankingTasks,
  taskResponses,
} from "@/drizzle/schema";
import type { SessionUser } from "@/server/context";
import type { Db } from "@/server/db/db";
import { describeAgreement, mondayOf } from "@/server/domain/agreement/agreement-figures";
import { reportAgreement } from "@/server/domain/agreement/agreement-report";
import { computeOnThread } from "@/server/domain/agreement/compute-figures";
import { consensusOf } from "@/server/domain/agreement/consensus";
import { readRankings } from "@/server/domain/agreement/read-rankings";
import { type MadeTask, makeBatch, makeLabeler } from "../../helpers/labeling";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

type Made = { task: MadeTask; by: SessionUser; at?: string } & Partial<typeof rankings.$inferInsert>;

/** Stores a ranking such as "a bc d": a first, then b and c tied, then d. */
async function rank(
  db: Db,
  order: string,
  { task, by, at = "2026-03-02", ...values }: Made,
): Promise<string> {
  const [labeler] = await db.select().from(labelers).where(eq(labelers.userId, by.id));
  const [ranking] = await db
    .insert(rankings)
    .values({
      taskId: task.taskId,
      labelerId: by.id,
      pseudonym: labeler?.pseudonym ?? "nobody",
      groupId: labeler?.groupId ?? null,
      mode: "board",
      guidelinesVersion: 1,
      responseOrder: task.responseIds,
      createdAt: new Date(`${at}T12:00:00Z`),
      ...values,
    })
    .returning({ id: rankings.id });
  if (!ranking) throw new Error("The ranking was not stored.");
  const places = order.split(" ").flatMap((tier, index) => [...tier].map((letter) => [letter, index + 1]));
  await db.insert(rankedResponses).values(
    places.map(([letter, place]) => ({
      rankingId: ranking.id,
      responseId: task.responseIds["abcd".indexOf(String(letter))] ?? "",
      rank: Number(place),
    })),
  );
  return ranking.id;
}

/** The same task again, for this labeler only. */
async function repeat(db: Db, task: MadeTask, by: SessionUser): Promise<MadeTask> {
  const [original] = await db.select().from(rankingTasks).where(eq(rankingTasks.id, task.taskId));
  if (!original) throw new Error("There is no such task.");
  const { id: repeatOfId, createdAt: _, ...copied } = original;
  const [made] = await db
    .insert(rankingTasks)
    .values({ ...copied, repeatOfId, onlyForId: by.id, isGold: false })
    .returning({ id: rankingTasks.id });
  return { ...task, taskId: made?.id ?? "" };
}

/** Two labelers in training and one held out, who ranked one task: "a b c d", "b a c d" and "ab c d". */
async function threeOnOneTask(db: Db) {
  const { tasks, batchId } = await makeBatch(db, { overlap: 3 });
  const [task] = tasks as [MadeTask];
  const [group] = await db.insert(labelerGroups).values({ name: "Judges", isHeldOut: true }).returning();
  const a = await makeLabeler(db, { pseudonym: "anna" });
  const b = await makeLabeler(db, { pseudonym: "ben" });
  const c = await makeLabeler(db, { pseudonym: "cleo", groupId: group?.id ?? null });
  await rank(db, "a b c d", { task, by: a, at: "2026-03-02" });
  await rank(db, "b a c d", { task, by: b, at: "2026-03-08" });
  await rank(db, "ab c d", { task, by: c, at: "2026-03-09" });
  return { batchId, task, a, b, c, groupId: group?.id ?? "" };
}

const leaveOut = { tieRule: "leaveOut" } as const;

describeEachDatabase("agreement", (home) => {
  it("counts pairs under both tie rules, with alpha and tau-b, as by hand", async () => {
    await using t = await testDatabase(home);
    await threeOnOneTask(t.db);
    const report = await reportAgreement(t.db, leaveOut);
    // anna and ben differ on one of six pairs; cleo ties that pair, so both agree with cleo on the other five.
    expect(report.overall.leaveOut).toMatchObject({
      pairs: 16,
      leftOut: 2,
      tasks: 1,
      labelers: 3,
      meetings: 3,
    });
    expect(report.overall.leaveOut?.share).toBeCloseTo(15 / 16, 12);
    expect(report.overall.half).toMatchObject({ pairs: 18, leftOut: 0 });
    expect(report.overall.half?.share).toBeCloseTo((5 + 5.5 + 5.5) / 18, 12);
    // Coincidences 15, 15 on the diagonal and 1 elsewhere; margins 17, 2, 17: 1 - 35 * 1083 / 220932.
    expect(report.alpha).toBeCloseTo(1 - 37905 / 220932, 12);
    expect(report.overall.leaveOut?.tauB).toBeCloseTo((4 / 6 + 2 * (5 / Math.sqrt(30))) / 3, 12);
    // One task and three labelers are too few to say how others would do.
    expect(report.overall.leaveOut).toMatchObject({ low: null, high: null, unit: "tasks", units: 1 });
    expect(report.tieRuleText).toBe("Pairs that either of the two tied are left out.");
    expect(report.read).toEqual({ rankings: 3, tasks: 1, labelers: 3 });
  });

  it("comes out the same on a thread of its own, which passes on what goes wrong", async () => {
    await using t = await testDatabase(home);
    const { task } = await threeOnOneTask(t.db);
    const { first, repeated } = await readRankings(t.db);
    const gold = new Map([[task.taskId, new Map(task.responseIds.map((id, i) => [id, i + 1]))]]);
    const input = { ...leaveOut, first, repeated, gold, adjudications: new Map() };
    const figures = await computeOnThread("report", input);
    expect(figures.withGold).toMatchObject({ pairs: 17, share: 16 / 17 });
    expect(figures).toEqual(describeAgreement(input));
    await expect(computeOnThread("nothing" as "report", input)).rejects.toThrow("not a function");
  });

  it("tells held-out from training labelers, weeks, persons and pairs of persons", async () => {
    await using t = await testDatabase(home);
    await threeOnOneTask(t.db);
    const { byGroup, byWeek, byPair, byLabeler } = await reportAgreement(t.db, leaveOut);
    expect(byGroup.training).toMatchObject({ pairs: 6, share: 5 / 6 });
    expect(byGroup.heldOut).toBeNull();
    expect(byGroup.between).toMatchObject({ pairs: 10, share: 1 });
    expect(byWeek.map(({ week, figure }) => [week, figure.share])).toEqual([
      ["2026-03-02", 5 / 6],
      ["2026-03-09", 1],
    ]);
    expect(byPair.map(({ labelers: two, figure }) => [...two, figure.share])).toEqual([
      ["anna", "ben", 5 / 6],
      ["anna", "cleo", 1],
      ["ben", "cleo", 1],
    ]);
    expect(byLabeler.map((one) => [one.labeler, one.isHeldOut, one.withOthers?.share])).toEqual([
      ["cleo", true, 1],
      ["anna", false, 10 / 11],
      ["ben", false, 10 / 11],
    ]);
  });

  it("measures against known answers and experts, who are not compared with themselves", async () => {
    await using t = await testDatabase(home);
    const { task, a } = await threeOnOneTask(t.db);
    await t.db.update(rankingTasks).set({ isGold: true }).where(eq(rankingTasks.id, task.taskId));
    for (const [index, responseId] of task.responseIds.entries()) {
      await t.db
        .update(taskResponses)
        .set({ goldRank: index + 1 })
        .where(eq(taskResponses.responseId, responseId));
    }
    await rank(t.db, "d c b a", { task, by: a, kind: "adjudication" });
    const { withGold, withAdjudication, byLabeler, overall } = await reportAgreement(t.db, leaveOut);
    expect(withGold).toMatchObject({ pairs: 17, leftOut: 1, share: 16 / 17 });
    // ben has one pair as the expert has it, cleo none; anna is the expert.
    expect(withAdjudication).toMatchObject({ pairs: 11, share: 1 / 11, labelers: 2 });
    expect(byLabeler.find(({ labeler }) => labeler === "ben")?.withGold?.share).toBe(5 / 6);
    expect(overall.leaveOut?.pairs).toBe(16);
  });

  it("compares a repeat with the first ranking of the same labeler, and with nobody else", async () => {
    await using t = await testDatabase(home);
    const { task, a } = await threeOnOneTask(t.db);
    await rank(t.db, "a b d c", { task: await repeat(t.db, task, a), by: a, at: "2026-03-25" });
    const all = await reportAgreement(t.db, leaveOut);
    expect(all.withOneself).toMatchObject({ pairs: 6, share: 5 / 6, labelers: 1 });
    expect(all.overall.leaveOut).toMatchObject({ pairs: 16, meetings: 3 });
    expect(all.read.rankings).toBe(4);
    const late = await reportAgreement(t.db, { ...leaveOut, filter: { from: new Date("2026-03-20") } });
    expect(late.withOneself).toMatchObject({ pairs: 6, share: 5 / 6 });
    expect(late.overall.leaveOut).toBeNull();
  });

  it("leaves out who was set aside, what was returned or redone, tests, and withdrawn prompts", async () => {
    await using t = await testDatabase(home);
    const { task, b } = await threeOnOneTask(t.db);
    const aside = await makeLabeler(t.db, { setAsideAt: new Date(), setAsideReason: "Too fast." });
    await rank(t.db, "d c b a", { task, by: aside });
    await rank(t.db, "d c b a", { task, by: await makeLabeler(t.db), status: "returned" });
    await rank(t.db, "d c b a", { task, by: b, isCurrent: false, version: 2 });
    const test = await makeBatch(t.db, { purpose: "qualification" });
    for (const order of ["a b c d", "d c b a"]) {
      await rank(t.db, order, { task: test.tasks[0] as MadeTask, by: await makeLabeler(t.db) });
    }
    expect((await reportAgreement(t.db, leaveOut)).overall.leaveOut).toMatchObject({
      pairs: 16,
      share: 15 / 16,
    });
    await t.db
      .update(labelers)
      .set({ setAsideAt: null, setAsideReason: null })
      .where(eq(labelers.userId, aside.id));
    expect((await reportAgreement(t.db, leaveOut)).overall.leaveOut).toMatchObject({ meetings: 6 });
    await t.db.update(prompts).set({ status: "reported" }).where(eq(prompts.id, task.promptId));
    const report = await reportAgreement(t.db, leaveOut);
    expect(report).toMatchObject({ overall: { leaveOut: null, half: null }, alpha: null, byLabeler: [] });
  });

  it("narrows down to a batch, a group, a version of the guidelines and a period", async () => {
    await using t = await testDatabase(home);
    const { batchId, task, groupId } = await threeOnOneTask(t.db);
    await t.db.insert(guidelines).values({ version: 2, text: "Be fairer." });
    const other = await makeBatch(t.db);
    await rank(t.db, "d c b a", {
      task,
      by: await makeLabeler(t.db),
      guidelinesVersion: 2,
      at: "2026-04-01",
    });
    const meetings = async (filter: object) =>
      (await reportAgreement(t.db, { ...leaveOut, filter })).overall.leaveOut?.meetings ?? 0;
    expect(await meetings({})).toBe(6);
    expect(await meetings({ batchId })).toBe(6);
    expect(await meetings({ batchId: other.batchId })).toBe(0);
    expect(await meetings({ guidelinesVersion: 1 })).toBe(3);
    expect(await meetings({ groupId })).toBe(0);
    expect(await meetings({ before: new Date("2026-03-09") })).toBe(1);
    expect(await meetings({ from: new Date("2026-03-09") })).toBe(1);
  });

  it("reads no more rankings than its limit and says so, passing over what cannot be compared", async () => {
    await using t = await testDatabase(home);
    const { a } = await threeOnOneTask(t.db);
    const alone = await makeBatch(t.db);
    await rank(t.db, "a b c d", { task: alone.tasks[0] as MadeTask, by: a });
    expect((await readRankings(t.db)).first).toHaveLength(3);
    expect(await reportAgreement(t.db, { ...leaveOut, limit: 2 })).toMatchObject({
      cutAt: 2,
      read: { rankings: 2 },
    });
    expect((await reportAgreement(t.db, { ...leaveOut, limit: 3 })).cutAt).toBeNull();
  });

  it("keeps labelers of different files apart, though they have one name", async () => {
    await using t = await testDatabase(home);
    const imported = { purpose: "imported", status: "closed", closedAt: new Date() } as const;
    for (const name of ["one.jsonl", "two.jsonl"]) {
      const { tasks } = await makeBatch(t.db, { ...imported, name });
      for (const pseudonym of ["annotator 1", "annotator 2"]) {
        const by = await makePerson(t.db);
        await rank(t.db, "a b c d", {
          task: tasks[0] as MadeTask,
          by,
          labelerId: null,
          pseudonym,
          kind: "imported",
          mode: "imported",
        });
      }
    }
    const { byLabeler } = await reportAgreement(t.db, leaveOut);
    expect(byLabeler.map(({ labeler }) => labeler).toSorted()).toEqual([
      "annotator 1 (one.jsonl)",
      "annotator 1 (two.jsonl)",
      "annotator 2 (one.jsonl)",
      "annotator 2 (two.jsonl)",
    ]);
  });

  it("lists the hardest tasks first, with who placed what where and never who wrote it", async () => {
    await using t = await testDatabase(home);
    const { task, a, b } = await threeOnOneTask(t.db);
    const { tasks } = await makeBatch(t.db, { overlap: 2 });
    const [hard] = tasks as [MadeTask];
    await rank(t.db, "a b c d", { task: hard, by: a });
    await rank(t.db, "d c b a", { task: hard, by: b });
    const lead = await makePerson(t.db, { grants: ["labelingLead"] });
    const found = await callerFor(t.db, lead).agreement.hardest({});
    expect(found.map(({ taskId, share, pairs }) => [taskId, share, pairs])).toEqual([
      [hard.taskId, 0, 6],
      [task.taskId, 15 / 16, 16],
    ]);
    expect(found[0]?.responses.map(({ text }) => text)).toEqual(
      ["A", "B", "C", "D"].map((letter) => `Response ${letter}`),
    );
    const [first, last] = [hard.responseIds[0] ?? "", hard.responseIds[3] ?? ""];
    expect(found[0]?.placements.map((one) => [one.labeler, one.ranks[first], one.ranks[last]])).toEqual([
      ["anna", 1, 4],
      ["ben", 4, 1],
    ]);
    // They cancel each other out, whatever the method.
    expect(found[0]?.consensus.map((place) => [place.bradleyTerry, place.rankedPairs])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    expect(JSON.stringify(found)).not.toContain("a test");
  });

  it("tells labelers their own agreement, once there is too much of it to read others' rankings from", async () => {
    await using t = await testDatabase(home);
    const { tasks } = await makeBatch(t.db, { tasks: 5, overlap: 6 });
    const me = await makeLabeler(t.db);
    const others = await Promise.all(Array.from({ length: 5 }, () => makeLabeler(t.db)));
    const figures = () => callerFor(t.db, me).labeling.figures();
    for (const [index, task] of tasks.entries()) {
      if (index === 4) expect(await figures()).toMatchObject({ agreement: null, selfAgreement: null });
      await rank(t.db, "a b c d", { task, by: me });
      await rank(t.db, "a c b d", { task: await repeat(t.db, task, me), by: me, at: "2026-04-01" });
      for (const by of others) await rank(t.db, index < 3 ? "b a c d" : "a b c d", { task, by });
    }
    const { agreement, selfAgreement } = await figures();
    // Three tasks with one pair of six the other way round, two without, five people each.
    expect(agreement).toMatchObject({ n: 150, tasks: 5 });
    expect(agreement?.share).toBeCloseTo(27 / 30, 12);
    expect(selfAgreement).toMatchObject({ n: 30, low: 5 / 6, high: 5 / 6, share: 5 / 6 });
    await t.db
      .update(labelers)
      .set({ setAsideAt: new Date(), setAsideReason: "Too fast." })
      .where(eq(labelers.userId, me.id));
    expect(await figures()).toMatchObject({ agreement: null, selfAgreement: null });
  });

  it("is for leads", async () => {
    await using t = await testDatabase(home);
    const labeler = await makeLabeler(t.db);
    const { agreement } = callerFor(t.db, labeler);
    for (const attempt of [agreement.report({}), agreement.hardest({}), agreement.choices()]) {
      await expect(attempt).rejects.toMatchObject({ code: "FORBIDDEN" });
    }
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] })).agreement;
    await makeBatch(t.db, { purpose: "practice" });
    const { batchId } = await makeBatch(t.db);
    expect(await lead.choices()).toMatchObject({ batches: [{ id: batchId }], guidelinesVersions: [1] });
    const period = { from: new Date("2026-02-01"), before: new Date("2026-01-01") };
    await expect(lead.report({ filter: period })).rejects.toThrow("ends before it begins");
  });
});

it("orders by what most say, whichever method is asked", () => {
  const said = ["abc", "abc", "bca"].map((order) => new Map([...order].map((id, place) => [id, place + 1])));
  expect(consensusOf(said).map(({ responseId, rankedPairs }) => [responseId, rankedPairs])).toEqual([
    ["a", 1],
    ["b", 2],
    ["c", 3],
  ]);
});

it("names a week by its Monday, also across the turn of a year", () => {
  expect(mondayOf(Date.parse("2026-01-01T00:00:00Z"))).toBe("2025-12-29");
  expect(mondayOf(Date.parse("2026-03-08T23:59:59Z"))).toBe("2026-03-02");
  expect(mondayOf(Date.parse("2026-03-09T00:00:00Z"))).toBe("2026-03-09");
});
