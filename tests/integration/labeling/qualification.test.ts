/** @file Practice, the qualification test and hidden checks: known answers, sittings, figures, decisions, sitting again. */
import { and, eq } from "drizzle-orm";
import { expect, it } from "vitest";
import {
  auditLog,
  batches,
  demonstrations,
  labelers,
  mailDeliveries,
  prompts,
  qualifications,
  qualificationTests,
  rankings,
  rankingTasks,
  taskClaims,
  taskResponses,
  users,
} from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { readRankings } from "@/server/domain/agreement/read-rankings";
import { scoreSitting, startSitting } from "@/server/domain/qualification/sittings";
import { addBatch, addPrompts, addRanking, tasksOf } from "../../helpers/batches";
import { makeBatch, makeLabeler } from "../../helpers/labeling";
import { answerAll, makeKnown, makeTest } from "../../helpers/qualifying";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const dayMs = 24 * 60 * 60 * 1000;
const leadOf = async (db: Db) => callerFor(db, await makePerson(db, { grants: ["labelingLead"] }));
const first = <T>(rows: readonly T[]): T => {
  const [row] = rows;
  if (row === undefined) throw new Error("There is none.");
  return row;
};
const actsOf = async (db: Db) =>
  (await db.select({ action: auditLog.action }).from(auditLog).orderBy(auditLog.id)).map(
    ({ action }) => action,
  );

describeEachDatabase("known answers", (home) => {
  it("are set with ties, flags and an explanation; refuse what is not whole; make a hidden check of work", async () => {
    await using t = await testDatabase(home);
    const lead = await leadOf(t.db);
    const { batchId, tasks } = await makeBatch(t.db, { hasRatings: true });
    const { taskId, responseIds } = first(tasks);
    const [a = "", b = "", c = "", d = ""] = responseIds;
    const { setKnownAnswer, knownAnswer } = lead.qualification;
    const answer = { taskId, flags: { [d]: ["violent" as const] }, explanation: " Short is best. " };
    await expect(setKnownAnswer({ ...answer, tiers: [[a], [b, c]] })).rejects.toThrow(
      "each of the task's 4 responses once; it holds 3",
    );
    await setKnownAnswer({ ...answer, tiers: [[a], [b, c], [d]] });
    expect(await knownAnswer({ taskId })).toMatchObject({
      isGold: true,
      explanation: "Short is best.",
      answer: { ranks: { [a]: 1, [b]: 2, [c]: 2, [d]: 3 }, flags: { [a]: [], [d]: ["violent"] } },
    });
    const labeler = await makeLabeler(t.db);
    await addRanking(t.db, { taskId, labelerId: labeler.id, ranks: [1, 2, 3, 3] });
    expect((await lead.labelers.list()).find(({ id }) => id === labeler.id)?.figures).toMatchObject({
      goldPairs: 5,
      goldMisses: 1,
    });
    // What was marked in work may be practised elsewhere.
    const { batchId: next } = await addBatch(t.db, {
      task: "ranking",
      prompts: { by: "batch", batchId, count: 1 },
      purpose: "practice",
    });
    const copied = first(await tasksOf(t.db, next));
    expect(copied).toMatchObject({ isGold: true, explanation: "Short is best." });
    await lead.qualification.removeKnownAnswer({ taskId });
    expect(await knownAnswer({ taskId })).toMatchObject({
      isGold: false,
      answer: { ranks: {}, flags: null },
    });
    expect(await actsOf(t.db)).toEqual(["task.knownAnswerSet", "batch.created", "task.knownAnswerRemoved"]);
  });

  it("offer the rankings of experts, and copies of a batch take an adjudication over", async () => {
    await using t = await testDatabase(home);
    const expert = await makePerson(t.db, { role: "admin", name: "Eva Expert" });
    const { batchId, tasks } = await makeBatch(t.db, { tasks: 3 });
    const { taskId, responseIds } = first(tasks.slice(1));
    const labeler = await makeLabeler(t.db);
    await addRanking(t.db, { taskId, labelerId: labeler.id, ranks: [1, 2, 3, 4] });
    await callerFor(t.db, expert).batches.adjudicate({
      taskId,
      tiers: [[responseIds[3] ?? ""], responseIds.slice(0, 3)],
    });
    const { offered } = await callerFor(t.db, expert).qualification.knownAnswer({ taskId });
    expect(offered.map(({ kind, by, flags }) => [kind, by, flags])).toEqual([
      ["adjudication", "Eva Expert", null],
      ["labeler", "Test Person", null],
    ]);
    const made = await addBatch(t.db, {
      task: "ranking",
      purpose: "practice",
      prompts: { by: "batch", batchId, count: 2 },
    });
    expect(made.tasks).toBe(2);
    const [copied, plain] = await tasksOf(t.db, made.batchId);
    expect([copied?.isGold, plain?.isGold]).toEqual([true, false]);
    const ranks = await t.db
      .select()
      .from(taskResponses)
      .where(eq(taskResponses.taskId, copied?.id ?? ""))
      .orderBy(taskResponses.position);
    expect(ranks.map(({ goldRank }) => goldRank)).toEqual([2, 2, 2, 1]);
    expect(first(await t.db.select().from(batches).where(eq(batches.id, made.batchId)))).toMatchObject({
      k: 4,
      status: "preparing",
      purpose: "practice",
    });
  });

  it("are missing: neither practice nor a test is opened, by name of what is to do", async () => {
    await using t = await testDatabase(home);
    const lead = await leadOf(t.db);
    const source = await makeBatch(t.db, { tasks: 2, hasRatings: true });
    await addPrompts(t.db, ["one", "two", "three"]);
    const test = { demonstrations: 2, ratingCutoff: 5 };
    const { batchId } = await lead.batches.create({
      name: "Test",
      purpose: "qualification",
      prompts: { by: "batch", batchId: source.batchId, count: 9 },
      test,
    });
    const open = () => lead.batches.steer({ batchId, steer: "open" });
    await expect(open()).rejects.toThrow("2 of 2 tasks have no known answer");
    const tasks = await tasksOf(t.db, batchId);
    for (const { id: taskId } of tasks) {
      const { responses } = await lead.qualification.knownAnswer({ taskId });
      await lead.qualification.setKnownAnswer({ taskId, tiers: responses.map(({ id }) => [id]), flags: {} });
    }
    await expect(open()).rejects.toThrow("No known answer has a flag");
    const { taskId, responses } = await lead.qualification.knownAnswer({ taskId: first(tasks).id });
    const tiers = responses.map(({ id }) => [id]);
    await lead.qualification.setKnownAnswer({ taskId, tiers, flags: { [first(responses).id]: ["opinion"] } });
    await open();
    const listed = first(await lead.qualification.tests());
    expect(listed).toMatchObject({
      batchId,
      status: "open",
      demonstrations: 2,
      problem: null,
      test: { ratingCutoff: 5, flagCutoff: 0.75, mostSittings: 3 },
    });
    const demonstrationBatchId = listed.demonstrationBatchId ?? "";
    const statusOf = async () =>
      first(await t.db.select().from(batches).where(eq(batches.id, demonstrationBatchId))).status;
    expect(await statusOf()).toBe("open");
    await expect(lead.batches.steer({ batchId: demonstrationBatchId, steer: "close" })).rejects.toThrow(
      "part of a qualification test",
    );
    await expect(lead.qualification.removeKnownAnswer({ taskId })).rejects.toThrow("Pause the batch first");
    await lead.batches.steer({ batchId, steer: "close" });
    expect(await statusOf()).toBe("closed");
    const work = await tasksOf(t.db, demonstrationBatchId);
    const ranked = new Set(tasks.map(({ promptId }) => promptId));
    expect(work.some(({ promptId }) => ranked.has(promptId))).toBe(false);
  });

  it("come with rules on what practice and tests are made of", async () => {
    await using t = await testDatabase(home);
    const lead = await leadOf(t.db);
    const { batchId } = await makeBatch(t.db);
    const prompts = { by: "batch" as const, batchId, count: 1 };
    const create = (fields: object) => lead.batches.create({ name: "X", prompts, ...fields });
    await expect(create({})).rejects.toThrow("copied for practice and tests only");
    await expect(create({ purpose: "practice", test: {} })).rejects.toThrow("Only a qualification test");
    await expect(create({ purpose: "qualification", test: {}, hasRatings: false })).rejects.toThrow("flags");
    await expect(create({ purpose: "practice", goldShare: 0.1 })).rejects.toThrow("set both shares to 0");
    await expect(create({ purpose: "practice", task: "pairwise" })).rejects.toThrow("a pairwise needs 2");
    await expect(create({ purpose: "qualification", test: { demonstrations: 3 } })).rejects.toThrow(
      "there are 0",
    );
    await expect(create({ purpose: "qualification" })).rejects.toThrow("settings");
  });
});

describeEachDatabase("practice", (home) => {
  it("is open to everybody, explains order and flags and where one differed, and is not done again", async () => {
    await using t = await testDatabase(home);
    const { tasks } = await makeKnown(t.db, { purpose: "practice" });
    const [a = "", b = "", c = "", d = ""] = first(tasks).responseIds;
    for (let n = 0; n < 3; n++) {
      const labeler = await makeLabeler(t.db);
      const { labeling } = callerFor(t.db, labeler);
      const next = await labeling.next({ purpose: "practice" });
      if (!("task" in next)) throw new Error(next.noTask.text);
      const rated = { overall: 4, flags: ["opinion" as const] };
      const { rankingId, explanation } = await labeling.submit({
        claimId: next.task.claimId,
        mode: "board",
        tiers: [[b], [a], [c, d]],
        ratings: {
          [a]: rated,
          [b]: { overall: 4 },
          [c]: { overall: 4 },
          [d]: { overall: 4, flags: ["violent"] },
        },
        activeMs: 5,
      });
      expect(explanation).toEqual({
        expected: [[a], [b], [c], [d]],
        agreement: 4 / 6,
        missed: [
          { better: a, worse: b, was: "turned" },
          { better: c, worse: d, was: "tied" },
        ],
        flags: [{ id: a, expected: [], given: ["opinion"] }],
        text: "Because of **this**.",
      });
      await expect(labeling.reopen({ rankingId })).rejects.toThrow("explained to you already");
      expect(await labeling.recent()).toMatchObject([{ canReopen: false }]);
      expect(await labeling.next({ purpose: "practice" })).toMatchObject({ noTask: { reason: "empty" } });
    }
    expect(first(await t.db.select().from(rankingTasks))).toMatchObject({ status: "open", openPlaces: 1 });
    expect((await readRankings(t.db)).first).toEqual([]);
  });
});

describeEachDatabase("the qualification", (home) => {
  it("is sat, handed in and passed at the cut-offs; then work is given", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    await makeTest(t.db, { tasks: 3, settings: { areas: ["Law", "Code"] } });
    const labeler = await makeLabeler(t.db);
    const { labeling, qualification } = callerFor(t.db, labeler);
    expect(await labeling.next({})).toMatchObject({ noTask: { reason: "notQualified" } });
    expect(await labeling.next({ purpose: "qualification" })).toMatchObject({
      noTask: { reason: "notSitting" },
    });
    await expect(qualification.submit()).rejects.toThrow("not sitting a test");
    expect(await qualification.own()).toMatchObject({
      test: { name: "The test", rankings: 3, demonstrations: 0, rankingCutoff: 0.75 },
      sitting: null,
      maySit: { may: true },
    });
    await expect(qualification.start({ areas: ["Medicine"] })).rejects.toThrow("does not ask about Medicine");
    const started = await qualification.start({ areas: ["Code"] });
    expect(await qualification.start({ areas: ["Law"] })).toEqual(started);
    const next = await labeling.next({ purpose: "qualification" });
    expect(next).toMatchObject({ task: { sitting: { answered: 0, total: 3 } } });
    await expect(qualification.submit()).rejects.toThrow("3 of 3 tasks are not answered yet");
    const given = await answerAll(t.db, labeler, { order: [0, 2, 1, 3] });
    expect(given).toHaveLength(3);
    expect(await labeling.next({ purpose: "qualification" })).toMatchObject({
      noTask: { reason: "testDone" },
    });
    // Until it is handed in, an answer may be done again.
    const { rankingId } = first(await labeling.recent());
    const { task } = await labeling.reopen({ rankingId });
    expect(await qualification.submit()).toEqual({ status: "passed" });
    await expect(
      labeling.submit({
        claimId: task.claimId,
        mode: "board",
        tiers: task.responses.map(({ id }) => [id]),
        activeMs: 1,
      }),
    ).rejects.toThrow("no longer yours");
    await expect(labeling.reopen({ rankingId })).rejects.toThrow("handed in");
    expect((await qualification.own()).sitting).toMatchObject({
      status: "passed",
      areas: ["Code"],
      rankingAgreement: expect.closeTo(15 / 18, 6),
      rankingPairs: 18,
      flagAgreement: 1,
      flagDecisions: 12,
      demonstrationRating: null,
      verdicts: { flags: true, rankings: true, demonstrations: null },
    });
    expect(await labeling.next({})).toHaveProperty("task");
    expect((await readRankings(t.db)).first).toEqual([]);
    expect(await actsOf(t.db)).toEqual(["qualification.passed"]);
    await expect(qualification.start({})).rejects.toThrow("You are qualified");
    const lead = await leadOf(t.db);
    expect(await lead.qualification.areas()).toEqual([{ area: "Code", labelers: 1 }]);
  });

  it("waits for the last demonstration's rating, and is scored by whoever looks next", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    await makeTest(t.db, { demonstrations: 2 });
    const labeler = await makeLabeler(t.db);
    const { labeling, qualification } = callerFor(t.db, labeler);
    const { sittingId } = await qualification.start({});
    expect((await answerAll(t.db, labeler)).map(({ batch }) => batch.task)).toEqual([
      "ranking",
      "demonstration",
      "demonstration",
    ]);
    expect(await qualification.submit()).toEqual({ status: "reviewing" });
    expect((await qualification.own()).sitting).toMatchObject({
      status: "reviewing",
      waiting: 2,
      rankingAgreement: 1,
    });
    await expect(qualification.start({})).rejects.toThrow("being reviewed");
    expect(await labeling.next({})).toMatchObject({ noTask: { reason: "notQualified" } });
    const [one, two] = await t.db.select().from(demonstrations).orderBy(demonstrations.createdAt);
    const rate = (id: string | undefined, rating: number) =>
      t.db
        .update(demonstrations)
        .set({ rating })
        .where(eq(demonstrations.id, id ?? ""));
    await rate(one?.id, 7);
    expect(await scoreSitting(t.db, sittingId)).toBe("reviewing");
    await rate(two?.id, 5);
    expect(await labeling.next({})).toHaveProperty("task");
    const lead = await leadOf(t.db);
    expect(await lead.qualification.sittings()).toMatchObject([
      { status: "passed", demonstrationRating: 6, ratedDemonstrations: 2, labeler: { isQualified: true } },
    ]);
    expect(await scoreSitting(t.db, sittingId)).toBe("passed");
  });

  it("fails below a cut-off; a lead passes all the same, with a reason, and may take it back", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    await makeTest(t.db);
    const labeler = await makeLabeler(t.db);
    const { labeling, qualification } = callerFor(t.db, labeler);
    const { sittingId } = await qualification.start({});
    await answerAll(t.db, labeler, { order: [3, 2, 1, 0], flags: [] });
    expect(await qualification.submit()).toEqual({ status: "failed" });
    expect(await labeling.next({})).toMatchObject({ noTask: { reason: "notQualified" } });
    expect(await qualification.own()).toMatchObject({
      sitting: { rankingAgreement: 0, flagAgreement: 0.75, verdicts: { flags: true, rankings: false } },
      maySit: { may: false, from: expect.any(Date) },
    });
    const person = await makePerson(t.db, { grants: ["labelingLead"] });
    const lead = callerFor(t.db, person);
    const detail = await lead.qualification.sitting({ sittingId });
    expect(detail.rankings).toMatchObject([
      { rankingAgreement: 0, flagAgreement: 0.75, explanation: "Because of **this**." },
    ]);
    expect(
      first(detail.rankings).responses.map(({ expectedRank, rank, text }) => [expectedRank, rank, text]),
    ).toEqual([
      [1, 4, "Response A"],
      [2, 3, "Response B"],
      [3, 2, "Response C"],
      [4, 1, "Response D"],
    ]);
    const decide = (isPassed: boolean, reason: string) =>
      lead.qualification.decide({ sittingId, isPassed, reason });
    await expect(decide(true, "  ")).rejects.toThrow("Give a reason");
    await expect(decide(false, "No.")).rejects.toThrow("failed already");
    await decide(true, "Read the scale upside down.");
    expect(await labeling.next({})).toHaveProperty("task");
    expect((await qualification.own()).sitting).toMatchObject({
      status: "passed",
      decisionReason: "Read the scale upside down.",
      rankingAgreement: 0,
    });
    expect(await lead.qualification.sittings()).toMatchObject([
      { decidedByName: person.name, isNewest: true },
    ]);
    await decide(false, "Was not so.");
    expect(await t.db.$count(taskClaims, and(eq(taskClaims.labelerId, labeler.id)))).toBe(1);
    expect(await labeling.next({})).toMatchObject({ noTask: { reason: "notQualified" } });
    expect(await actsOf(t.db)).toEqual([
      "qualification.failed",
      "qualification.decided",
      "qualification.decided",
    ]);
  });

  it("stays as it was decided, by the cut-offs of its day, whatever the test asks later", async () => {
    await using t = await testDatabase(home);
    const lead = await leadOf(t.db);
    const { batchId } = await makeTest(t.db);
    const labeler = await makeLabeler(t.db);
    await t.db.update(users).set({ wantsMail: true }).where(eq(users.id, labeler.id));
    const { qualification } = callerFor(t.db, labeler);
    const { sittingId } = await qualification.start({});
    await answerAll(t.db, labeler, { flags: [] });
    const { testDefaults, changeTest } = lead.qualification;
    const { demonstrations: _, ...settings } = await testDefaults();
    expect(await qualification.submit()).toEqual({ status: "passed" });
    await changeTest({ batchId, settings: { ...settings, flagCutoff: 0.9, rankingCutoff: 1 } });
    const asDecided = {
      status: "passed",
      flagAgreement: 0.75,
      cutoffs: { flagCutoff: 0.75, rankingCutoff: 0.75, ratingCutoff: 6, asksDemonstrations: false },
      verdicts: { flags: true, rankings: true, demonstrations: null },
    };
    expect((await qualification.own()).sitting).toMatchObject(asDecided);
    expect(await lead.qualification.sitting({ sittingId })).toMatchObject(asDecided);
    // A lead's decision on what is decided looks at the same.
    await lead.qualification.decide({ sittingId, isPassed: false, reason: "Somebody else sat it." });
    expect(await lead.qualification.sittings()).toMatchObject([{ ...asDecided, status: "failed" }]);
    const mails = await t.db.select().from(mailDeliveries).orderBy(mailDeliveries.createdAt);
    expect(mails.map(({ userId, payload }) => ({ userId, payload }))).toEqual(
      ["passed", "not passed"].map((outcome) => ({
        userId: labeler.id,
        payload: {
          text: `Your qualification test is decided: ${outcome}.`,
          path: "/label/qualification",
        },
      })),
    );
  });

  it("is sat again after its days, on the same tasks anew; the first sitting keeps its answers", async () => {
    await using t = await testDatabase(home);
    const test = await makeTest(t.db, { tasks: 2, settings: { mostSittings: 2 } });
    const labeler = await makeLabeler(t.db);
    const { qualification } = callerFor(t.db, labeler);
    const one = await qualification.start({});
    await answerAll(t.db, labeler, { order: [3, 2, 1, 0] });
    await qualification.submit();
    await expect(qualification.start({})).rejects.toThrow("again 7 days after");
    const later = new Date(Date.now() + 8 * dayMs);
    const two = await startSitting(t.db, { labelerId: labeler.id, areas: [] }, later);
    const lead = await leadOf(t.db);
    await expect(
      lead.qualification.decide({ sittingId: one.sittingId, isPassed: true, reason: "Fine." }),
    ).rejects.toThrow("sat again since");
    expect(await answerAll(t.db, labeler, { order: [3, 2, 1, 0] })).toHaveLength(2);
    await qualification.submit();
    await expect(
      startSitting(t.db, { labelerId: labeler.id, areas: [] }, new Date(later.getTime() + 900 * dayMs)),
    ).rejects.toThrow("2 times, as often as it may be sat");
    // A lead who asks for it opens it once more, at once.
    await lead.qualification.askAgain({ userId: labeler.id, reason: "The guidelines have changed." });
    const three = await qualification.start({});
    await answerAll(t.db, labeler);
    expect(await qualification.submit()).toEqual({ status: "passed" });
    const orders = [];
    for (const { sittingId } of [one, two, three]) {
      const { rankings: answers } = await lead.qualification.sitting({ sittingId });
      orders.push(answers.map(({ responses }) => responses.map(({ rank }) => rank).join("")).join(" "));
    }
    expect(orders).toEqual(["4321 4321", "4321 4321", "1234 1234"]);
    expect(await t.db.$count(rankings, eq(rankings.isCurrent, true))).toBe(2);
    const places = await t.db.select().from(rankingTasks).where(eq(rankingTasks.batchId, test.batchId));
    expect(places.map(({ openPlaces, status }) => [openPlaces, status])).toEqual([
      [1, "open"],
      [1, "open"],
    ]);
  });

  it("is asked of one or of all again: no work until it is passed, and why", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db, { overlap: 5 });
    const lead = await leadOf(t.db);
    const [one, two] = [
      await makeLabeler(t.db, { qualifiedAt: new Date() }),
      await makeLabeler(t.db, { qualifiedAt: new Date() }),
    ];
    await expect(lead.qualification.askAllAgain({ reason: "New rules." })).rejects.toThrow(
      "No qualification test is open",
    );
    const test = await makeTest(t.db);
    expect(await callerFor(t.db, one).labeling.next({})).toHaveProperty("task");
    await lead.qualification.askAgain({ userId: one.id, reason: "Three hidden checks failed." });
    const refused = { reason: "notQualified", text: expect.stringContaining("Three hidden checks failed.") };
    expect(await callerFor(t.db, one).labeling.next({})).toMatchObject({ noTask: refused });
    expect(await callerFor(t.db, two).labeling.next({})).toHaveProperty("task");
    expect(await lead.qualification.askAllAgain({ reason: "New rules." })).toEqual({ asked: 1 });
    expect((await callerFor(t.db, two).labeling.status()).noTask?.text).toContain("New rules.");
    // Also when the test closes meanwhile: what was asked holds.
    await lead.batches.steer({ batchId: test.batchId, steer: "close" });
    expect((await callerFor(t.db, two).labeling.status()).noTask?.text).toContain(
      "speak with your labeling lead",
    );
    await expect(callerFor(t.db, two).qualification.start({})).rejects.toThrow(
      "No qualification test is open to you",
    );
    await lead.batches.steer({ batchId: test.batchId, steer: "open" });
    await callerFor(t.db, two).qualification.start({});
    await answerAll(t.db, two);
    await callerFor(t.db, two).qualification.submit();
    expect(await callerFor(t.db, two).labeling.next({})).toHaveProperty("task");
    const [row] = await t.db.select().from(labelers).where(eq(labelers.userId, two.id));
    expect(row).toMatchObject({
      requalifyAskedAt: null,
      requalifyReason: null,
      qualifiedAt: expect.any(Date),
    });
  });

  it("lets who sits it finish after it was closed, waits while it is paused, and has nothing skipped", async () => {
    await using t = await testDatabase(home);
    const lead = await leadOf(t.db);
    const { batchId, tasks } = await makeTest(t.db, { tasks: 3 });
    const [hard, withdrawn] = tasks.slice(1);
    await t.db
      .update(prompts)
      .set({ isSensitive: true })
      .where(eq(prompts.id, hard?.promptId ?? ""));
    const labeler = await makeLabeler(t.db);
    const { labeling, qualification } = callerFor(t.db, labeler);
    await qualification.start({});
    await lead.batches.steer({ batchId, steer: "pause" });
    expect(await labeling.next({ purpose: "qualification" })).toMatchObject({
      noTask: { reason: "testPaused" },
    });
    await lead.batches.steer({ batchId, steer: "close" });
    const skip = async (kind: "skip" | "cannotBeRanked") => {
      const next = await labeling.next({ purpose: "qualification" });
      if (!("task" in next)) throw new Error(next.noTask.text);
      return labeling.skip({ claimId: next.task.claimId, kind, reason: "Not mine", activeMs: 1 });
    };
    await expect(skip("skip")).rejects.toThrow("Every task of a test is answered");
    await expect(skip("cannotBeRanked")).rejects.toThrow("Every task of a test is answered");
    await t.db
      .update(prompts)
      .set({ status: "reported" })
      .where(eq(prompts.id, withdrawn?.promptId ?? ""));
    await labeling.setPreferences({ seesSensitive: false });
    expect(await answerAll(t.db, labeler)).toHaveLength(1);
    expect((await qualification.own()).sitting?.progress).toEqual({ answered: 1, total: 1 });
    expect(await qualification.submit()).toEqual({ status: "passed" });
  });

  it("asks for the agreement, belongs to its group, and is nobody else's", async () => {
    await using t = await testDatabase(home);
    const lead = await leadOf(t.db);
    const { groupId } = await lead.labelers.createGroup({ name: "Judges", isHeldOut: true });
    await makeTest(t.db, { groupId });
    await makeBatch(t.db);
    const fresh = await makeLabeler(t.db, { groupId, agreedAt: null, agreementVersion: null });
    await expect(callerFor(t.db, fresh).qualification.start({})).rejects.toThrow("agreement first");
    const outside = await makeLabeler(t.db);
    expect((await callerFor(t.db, outside).qualification.own()).test).toBe(null);
    expect(await callerFor(t.db, outside).labeling.next({})).toHaveProperty("task");
    const member = await makeLabeler(t.db, { groupId });
    const two = await Promise.all([0, 1, 2].map(() => callerFor(t.db, member).qualification.start({})));
    expect(new Set(two.map(({ sittingId }) => sittingId)).size).toBe(1);
    expect(await t.db.$count(qualifications)).toBe(1);
    await t.db.update(qualificationTests).set({ ratingCutoff: 5 });
    const test = first(await lead.qualification.tests());
    await lead.qualification.changeTest({
      batchId: test.batchId,
      settings: { ...test.test, rankingCutoff: 0.6, areas: ["Law", "Law"] },
    });
    expect(first(await lead.qualification.tests()).test).toMatchObject({
      rankingCutoff: 0.6,
      areas: ["Law"],
    });
    await expect(
      lead.qualification.changeTest({ batchId: test.batchId, settings: { ratingCutoff: 8 } }),
    ).rejects.toThrow("rated 1 to 7");
  });
});
