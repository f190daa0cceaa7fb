/** @file Batches as a lead makes and watches them, guidelines, and the review of rankings. */
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import {
  auditLog,
  labelers,
  prompts,
  rankings,
  rankingTasks,
  responses,
  taskResponses,
} from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { newBatchSchema, promptChoiceSchema } from "@/server/domain/batches/batch-schema";
import { choosePrompts } from "@/server/domain/batches/choose-prompts";
import { readProgress } from "@/server/domain/batches/progress";
import { readBatch } from "@/server/domain/batches/read-batches";
import { disagreementOf } from "@/server/domain/batches/review";
import { addBatch, addPrompts, addRanking, tasksOf } from "../../helpers/batches";
import { makeLabeler } from "../../helpers/labeling";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const all = (count: number) => ({ by: "filter" as const, count });

/** An open ranking task of four responses, as after sampling; `batch` is changed to hold rankings. */
async function rankingTask(db: Db, overlap = 2) {
  const [promptId = ""] = await addPrompts(db, ["Which is best?"]);
  const { batchId, lead } = await addBatch(db, {
    prompts: { by: "ids", promptIds: [promptId] },
    overlap,
    costPerHour: 30,
  });
  const [task] = await tasksOf(db, batchId);
  const taskId = task?.id ?? "";
  const made = await db
    .insert(responses)
    .values(["a", "b", "c", "d"].map((text) => ({ promptId, source: "imported" as const, text })))
    .returning({ id: responses.id });
  await db
    .insert(taskResponses)
    .values(made.map(({ id }, position) => ({ taskId, responseId: id, position })));
  return { batchId, lead, taskId, responseIds: made.map(({ id }) => id) };
}

describeEachDatabase("batches", (home) => {
  it("take usable prompts only: disliked ones first, used ones not again, those named or none", async () => {
    await using t = await testDatabase(home);
    const [plain = ""] = await addPrompts(t.db, ["plain"]);
    const [disliked = ""] = await addPrompts(t.db, ["disliked"], { priority: 5 });
    await addPrompts(t.db, ["test"], { split: "test" });
    const [gone = ""] = await addPrompts(t.db, ["gone"], { status: "reported" });
    const filter = promptChoiceSchema.parse({ ...all(10), splits: ["train"] });
    expect(await choosePrompts(t.db, { task: "demonstration", responsesFrom: "policies" }, filter)).toEqual([
      disliked,
      plain,
    ]);
    const { batchId } = await addBatch(t.db, { prompts: all(2) });
    expect((await tasksOf(t.db, batchId)).map(({ status, openPlaces }) => [status, openPlaces])).toEqual([
      ["open", 1],
      ["open", 1],
    ]);
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    const count = (includesUsed: boolean) =>
      lead.batches.countPrompts({ task: "demonstration", filter: { includesUsed } });
    expect(await count(false)).toEqual({ usable: 1, total: 3, k: null });
    expect(await count(true)).toEqual({ usable: 3, total: 3, k: null });
    await expect(addBatch(t.db, { prompts: { by: "ids", promptIds: [plain, gone] } })).rejects.toThrow(
      `1 of 2 prompts cannot be used: unknown, pulled, or without consent. The first is ${gone}.`,
    );
  });

  it("refuse what does not fit, by field", () => {
    const problems = (fields: object) =>
      newBatchSchema
        .safeParse({ name: "n", prompts: all(1), ...fields })
        .error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    expect(problems({ k: 3 })).toEqual([
      "k: A ranking has 4 to 9 responses, not 3.",
      "policies: Choose at least one policy to sample responses from.",
    ]);
    expect(problems({ task: "pairwise", k: 3, policies: ["a".repeat(64)] })).toEqual([
      "k: A pair has 2 responses, not 3.",
    ]);
    expect(problems({ task: "demonstration" })).toBeUndefined();
    const own = { responsesFrom: "prompts" };
    expect(problems({ ...own, k: 4, policies: ["a".repeat(64)] })).toEqual([
      "k: Each task has as many responses as came with its prompt: leave K out.",
      "policies: The prompts bring their responses: leave the policies out.",
    ]);
    expect(problems({ ...own, task: "demonstration" })).toEqual([
      "policies: A demonstration is written by a person: it has no responses.",
    ]);
    expect(problems(own)).toBeUndefined();
  });

  it("take the responses that came with the prompts, as many as there are, and open at once", async () => {
    await using t = await testDatabase(home);
    const ids = await addPrompts(t.db, ["none", "one", "two", "three", "nine", "ten"], { source: "import" });
    const counts = [0, 1, 2, 3, 9, 10];
    for (const [i, promptId] of ids.entries()) {
      const texts = Array.from({ length: counts[i] ?? 0 }, (_, n) => `response ${n}`);
      if (texts.length === 0) continue;
      await t.db
        .insert(responses)
        .values(texts.map((text) => ({ promptId, source: "imported" as const, text })));
    }
    const [, one = "", two = "", three = "", nine = ""] = ids;
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    const own = { responsesFrom: "prompts" as const };
    const count = (task: "ranking" | "pairwise") => lead.batches.countPrompts({ ...own, task, filter: {} });
    expect(await count("ranking")).toEqual({ usable: 3, total: 6, k: { least: 2, most: 9 } });
    expect(await count("pairwise")).toEqual({ usable: 1, total: 6, k: { least: 2, most: 2 } });
    await expect(
      addBatch(t.db, { ...own, task: "ranking", prompts: { by: "ids", promptIds: [two, one] } }),
    ).rejects.toThrow(`1 of 2 prompts did not come with 2 to 9 responses. The first is ${one}.`);
    const { batchId } = await addBatch(t.db, {
      ...own,
      task: "ranking",
      hasRatings: false,
      prompts: all(10),
    });
    expect(await readBatch(t.db, batchId)).toMatchObject({ k: 9, policies: [], status: "open" });
    const tasks = await tasksOf(t.db, batchId);
    const sizes = await Promise.all(
      tasks.map(({ id }) => t.db.$count(taskResponses, eq(taskResponses.taskId, id))),
    );
    expect(new Map(tasks.map(({ promptId }, i) => [promptId, sizes[i]]))).toEqual(
      new Map([
        [two, 2],
        [three, 3],
        [nine, 9],
      ]),
    );
    expect(tasks.every(({ status }) => status === "open")).toBe(true);
    // Taken out and put back, such a task does not wait for sampling that will never come.
    await lead.prompts.report({ promptId: two, reason: "harmful" });
    await lead.prompts.restore({ promptId: two });
    expect((await tasksOf(t.db, batchId)).every(({ status }) => status === "open")).toBe(true);
    expect(await count("ranking")).toMatchObject({ usable: 0, k: null });
    const labeler = callerFor(t.db, await makeLabeler(t.db)).labeling;
    for (let left = 3; left > 0; left--) {
      const next = await labeler.next({});
      if (!("task" in next)) throw new Error(next.noTask.text);
      const { claimId, responses: shown } = next.task;
      await labeler.submit({ claimId, mode: "board", tiers: shown.map(({ id }) => [id]), activeMs: 1 });
    }
    // 1 + 3 + 36 pairs.
    expect((await readBatch(t.db, batchId)).progress).toMatchObject({ rankings: 3, comparisons: 40 });
  });

  it("count comparisons and ties, leave out what is returned or set aside, and charge all active time", async () => {
    await using t = await testDatabase(home);
    const { batchId, taskId } = await rankingTask(t.db);
    const [ann, bob] = [
      await makePerson(t.db, { role: "labeler" }),
      await makePerson(t.db, { role: "labeler" }),
    ];
    // 1 2 2 3: five pairs in order, one tie.
    await addRanking(t.db, { taskId, labelerId: ann.id, ranks: [1, 2, 2, 3], activeMs: 600_000 });
    await addRanking(t.db, { taskId, labelerId: bob.id, ranks: [1, 1, 1, 2], activeMs: 300_000 });
    const before = await readBatch(t.db, batchId);
    expect(before.progress).toMatchObject({
      rankings: 2,
      comparisons: 8,
      ties: 4,
      labelers: 2,
      activeMs: 900_000,
    });
    expect(before.progress.perHour.day).toBeCloseTo(2 / 24, 10);
    // 15 minutes at 30 an hour over 8 comparisons.
    expect(before.costPerComparison).toBeCloseTo(7.5 / 8, 10);
    await t.db
      .update(labelers)
      .set({ setAsideAt: new Date(), setAsideReason: "too fast" })
      .where(eq(labelers.userId, bob.id));
    const after = await readBatch(t.db, batchId);
    expect(after.progress).toMatchObject({ rankings: 1, comparisons: 5, ties: 1, activeMs: 900_000 });
  });

  it("project their end from the speed of the last day", async () => {
    await using t = await testDatabase(home);
    const { batchId, taskId } = await rankingTask(t.db, 3);
    const ann = await makePerson(t.db, { role: "labeler" });
    await addRanking(t.db, { taskId, labelerId: ann.id, ranks: [1, 2, 3, 4] });
    const now = new Date();
    // One a day, three places left.
    const projected = (await readProgress(t.db, [batchId], now)).get(batchId)?.projectedEnd;
    expect(projected?.getTime()).toBe(now.getTime() + 3 * 24 * 3_600_000);
  });

  it("are opened, paused, closed and prioritised, each on record, and refuse what their status forbids", async () => {
    await using t = await testDatabase(home);
    const { batchId, lead } = await rankingTask(t.db);
    const call = callerFor(t.db, lead);
    await call.batches.steer({ batchId, steer: "pause" });
    await expect(call.batches.steer({ batchId, steer: "pause" })).rejects.toThrow("open can be paused");
    await call.batches.steer({ batchId, steer: "close" });
    expect((await readBatch(t.db, batchId)).closedAt).toBeInstanceOf(Date);
    await call.batches.steer({ batchId, steer: "open" });
    await call.batches.prioritise({ batchId, priority: 7 });
    expect(await readBatch(t.db, batchId)).toMatchObject({ status: "open", priority: 7, closedAt: null });
    const acts = await t.db.select({ action: auditLog.action }).from(auditLog).orderBy(auditLog.id);
    expect(acts.map(({ action }) => action)).toEqual([
      "batch.created",
      "batch.paused",
      "batch.closed",
      "batch.opened",
      "batch.prioritised",
    ]);
  });

  it("mix in tasks with a known answer unseen", async () => {
    await using t = await testDatabase(home);
    await expect(
      addBatch(t.db, {
        prompts: { by: "ids", promptIds: await addPrompts(t.db, ["1", "2"]) },
        goldShare: 0.5,
      }),
    ).rejects.toThrow("known answer");
    const known = await rankingTask(t.db);
    await t.db.update(rankingTasks).set({ isGold: true }).where(eq(rankingTasks.id, known.taskId));
    await t.db.update(taskResponses).set({ goldRank: 1 }).where(eq(taskResponses.taskId, known.taskId));
    await t.db.execute(`update batches set purpose = 'practice' where id = '${known.batchId}'`);
    const { batchId, tasks } = await addBatch(t.db, {
      prompts: { by: "ids", promptIds: await addPrompts(t.db, ["3"]) },
      goldShare: 0.5,
    });
    expect(tasks).toBe(2);
    const gold = (await tasksOf(t.db, batchId)).filter(({ isGold }) => isGold);
    expect(gold).toMatchObject([{ status: "open" }]);
    const copied = await t.db
      .select()
      .from(taskResponses)
      .where(eq(taskResponses.taskId, gold[0]?.id ?? ""));
    expect(copied.map(({ goldRank }) => goldRank)).toEqual([1, 1, 1, 1]);
    // Marked in work itself it is mixed in as well; its copy is the same prompt, so once a batch.
    await t.db.execute(`update batches set purpose = 'work' where id = '${known.batchId}'`);
    const next = await addBatch(t.db, {
      prompts: { by: "ids", promptIds: await addPrompts(t.db, ["4", "5"]) },
      goldShare: 0.5,
    });
    expect(next.tasks).toBe(3);
  });

  it("show a task as labelers see it, and nobody's words once they are withdrawn", async () => {
    await using t = await testDatabase(home);
    const { taskId, lead } = await rankingTask(t.db);
    const call = callerFor(t.db, lead);
    const shown = await call.batches.preview({ taskId });
    expect(shown.prompt.messages).toEqual([{ role: "user", content: "Which is best?" }]);
    expect(shown.responses.map(({ text }) => text)).toEqual(["a", "b", "c", "d"]);
    await t.db.update(prompts).set({ status: "erased" });
    await expect(call.batches.preview({ taskId })).rejects.toThrow("may not be read");
  });
});

describeEachDatabase("review", (home) => {
  it("gives a ranking back with a comment, and adjudicates beside the labelers' rankings", async () => {
    await using t = await testDatabase(home);
    const { batchId, taskId, responseIds, lead } = await rankingTask(t.db);
    const call = callerFor(t.db, lead);
    const ann = await makePerson(t.db, { role: "labeler", name: "Ann" });
    const rankingId = await addRanking(t.db, { taskId, labelerId: ann.id, ranks: [1, 2, 3, 4] });
    const [a = "", b = "", c = "", d = ""] = responseIds;
    await expect(call.batches.adjudicate({ taskId, tiers: [[a], [b, b], [c]] })).rejects.toThrow(
      "each of the task's 4",
    );
    await call.batches.adjudicate({ taskId, tiers: [[d], [c, b], [a]] });
    await call.batches.adjudicate({ taskId, tiers: [[d], [c], [b], [a]] });
    const listed = (await call.batches.rankings({ batchId })).rankings;
    expect(listed.map(({ kind, version, disagreement }) => [kind, version, disagreement])).toEqual([
      ["adjudication", 2, 1],
      ["labeler", 1, 1],
    ]);
    expect(listed[0]?.tiers.map((tier) => tier.map(({ letter }) => letter).join("="))).toEqual([
      "D",
      "C",
      "B",
      "A",
    ]);
    await call.batches.returnRanking({ rankingId, comment: "A is made up." });
    const [stored] = await t.db.select().from(rankings).where(eq(rankings.id, rankingId));
    expect(stored).toMatchObject({
      status: "returned",
      returnedComment: "A is made up.",
      returnedBy: lead.id,
    });
    expect((await readBatch(t.db, batchId)).progress).toMatchObject({
      rankings: 0,
      adjudications: 1,
      returned: 1,
    });
  });

  it("measures disagreement over pairs that both sides put in order", () => {
    const place = (rankingId: string, responseId: string, rank: number) => ({
      rankingId,
      responseId,
      rank,
      isCounted: true,
    });
    const places = [
      ...[place("x", "a", 1), place("x", "b", 2), place("x", "c", 2)],
      ...[place("y", "a", 2), place("y", "b", 1), place("y", "c", 3)],
    ];
    // a before b: against; a before c: agreed; b and c tied in x: left out.
    expect(disagreementOf(places, "x")).toBe(1 / 2);
    expect(disagreementOf(places.slice(0, 3), "x")).toBeNull();
  });
});

describeEachDatabase("guidelines", (home) => {
  it("begin with the text that ships, grow by versions, and refuse to write over somebody's change", async () => {
    await using t = await testDatabase(home);
    const labeler = callerFor(t.db, await makePerson(t.db, { role: "labeler" }));
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    const first = await labeler.guidelines.get();
    expect(first).toMatchObject({ version: 1, changes: "", createdBy: null });
    expect(first.text).toContain("helpfulness to the person who");
    const change = { text: "Rank well.", changes: "Shorter.", basedOn: 1 };
    expect(await lead.guidelines.add(change)).toEqual({ version: 2 });
    await expect(lead.guidelines.add(change)).rejects.toThrow("Version 2 was added since you began");
    expect((await labeler.guidelines.get()).text).toBe("Rank well.");
    expect((await labeler.guidelines.get({ version: 1 })).text).toBe(first.text);
    expect((await lead.guidelines.list()).map(({ version }) => version)).toEqual([2, 1]);
    await expect(labeler.guidelines.add({ ...change, basedOn: 2 })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });
});
