/** @file The queue of labeling: overlap, own prompts, drafts, expiry, double submits, redos, skips and withdrawals. */
import { and, eq } from "drizzle-orm";
import { expect, it } from "vitest";
import {
  batches,
  datasets,
  demonstrations,
  prompts,
  rankedResponses,
  rankings,
  rankingTasks,
  snapshotRankings,
  taskClaims,
  taskResponses,
  taskSkips,
} from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { claimNext, type NextTask, releaseClaims, releaseExpired } from "@/server/domain/labeling/claims";
import type { TaskView } from "@/server/domain/labeling/task-schema";
import { makeBatch, makeLabeler } from "../../helpers/labeling";
import { makeTest } from "../../helpers/qualifying";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const hourMs = 60 * 60 * 1000;

async function next(db: Db, labelerId: string, now = new Date()): Promise<TaskView> {
  const claimed = await claimNext(db, { labelerId }, now);
  if (!("task" in claimed)) throw new Error(`No task: ${claimed.noTask.text}`);
  return claimed.task;
}

function taskOf(given: NextTask | null): TaskView {
  if (!given || !("task" in given)) throw new Error(`No task: ${given?.noTask.text}`);
  return given.task;
}

const inOrder = ({ claimId, responses }: TaskView) => ({
  claimId,
  mode: "board" as const,
  tiers: responses.map(({ id }) => [id]),
  activeMs: 5_000,
});

const placesOf = async (db: Db, taskId: string) =>
  (await db.select().from(rankingTasks).where(eq(rankingTasks.id, taskId)))[0];

describeEachDatabase("labeling queue", (home) => {
  it("gives one task to as many labelers as its overlap, though fifty ask at once", async () => {
    await using t = await testDatabase(home);
    const { tasks } = await makeBatch(t.db, { tasks: 7, overlap: 3 });
    const people = await Promise.all(Array.from({ length: 50 }, () => makeLabeler(t.db)));
    const claimed = await Promise.all(people.map(({ id }) => claimNext(t.db, { labelerId: id })));
    const given = claimed.flatMap((one) => ("task" in one ? [one.task.taskId] : []));
    expect(given).toHaveLength(21);
    for (const { taskId } of tasks) expect(given.filter((id) => id === taskId)).toHaveLength(3);
    expect(claimed.find((one) => "noTask" in one)).toMatchObject({ noTask: { reason: "empty" } });
  }, 60_000);

  it("gives the open task again, never a second one", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db, { tasks: 3 });
    const { id } = await makeLabeler(t.db);
    const asked = await Promise.all([next(t.db, id), next(t.db, id), next(t.db, id)]);
    expect(new Set(asked.map(({ claimId }) => claimId)).size).toBe(1);
  });

  it("shows no own prompt, none done or skipped before, none that is sensitive to who opted out", async () => {
    await using t = await testDatabase(home);
    const labeler = await makeLabeler(t.db, { seesSensitive: false });
    await makeBatch(t.db, { ownerId: labeler.id, priority: 9 });
    const sensitive = await makeBatch(t.db, { priority: 8 });
    await t.db
      .update(prompts)
      .set({ isSensitive: true })
      .where(eq(prompts.id, sensitive.tasks[0]?.promptId ?? ""));
    const { tasks } = await makeBatch(t.db, { tasks: 2, overlap: 2 });
    const caller = callerFor(t.db, labeler).labeling;
    const first = await next(t.db, labeler.id);
    expect(first.taskId).toBe(tasks[0]?.taskId);
    await caller.submit(inOrder(first));
    const second = await next(t.db, labeler.id);
    expect(second.taskId).toBe(tasks[1]?.taskId);
    await caller.skip({ claimId: second.claimId, kind: "skip", reason: "Not my field", activeMs: 10 });
    expect(await claimNext(t.db, { labelerId: labeler.id })).toMatchObject({ noTask: { reason: "empty" } });
    expect(await placesOf(t.db, second.taskId)).toMatchObject({ openPlaces: 2, status: "open" });
  });

  it("keeps a ranking once, however often it is sent", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    const labeler = await makeLabeler(t.db);
    const task = await next(t.db, labeler.id);
    const caller = callerFor(t.db, labeler).labeling;
    const [a, b, c] = task.responses.map(({ id }) => id) as [string, string, string];
    const tiers = [[b], [a, c], task.responses.slice(3).map(({ id }) => id)];
    const sent = { ...inOrder(task), tiers };
    const answers = await Promise.all([caller.submit(sent), caller.submit(sent), caller.submit(sent)]);
    answers.push(await caller.submit(sent));
    expect(new Set(answers.map(({ rankingId }) => rankingId))).toEqual(new Set([task.claimId]));
    expect(await t.db.$count(rankings)).toBe(1);
    const ranks = await t.db.select().from(rankedResponses);
    expect(Object.fromEntries(ranks.map(({ responseId, rank }) => [responseId, rank]))).toMatchObject({
      [b]: 1,
      [a]: 2,
      [c]: 2,
    });
    expect(await placesOf(t.db, task.taskId)).toMatchObject({ openPlaces: 0, status: "done" });
  });

  it("refuses what is not placed, placed twice, foreign or not rated, by its letter", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db, { hasRatings: true });
    const labeler = await makeLabeler(t.db);
    const task = await next(t.db, labeler.id);
    const caller = callerFor(t.db, labeler).labeling;
    const [a, b, c, d] = task.responses.map(({ id }) => id) as [string, string, string, string];
    const send = (tiers: string[][], ratings = {}) => caller.submit({ ...inOrder(task), tiers, ratings });
    await expect(send([[a], [c]])).rejects.toThrow("Not placed yet: B, D.");
    await expect(send([[a], [a, b], [c], [d]])).rejects.toThrow("Placed twice: A.");
    await expect(send([[a], [b], [c], [d], [task.claimId]])).rejects.toThrow("not in this task");
    await expect(send([[a, b, c, d]], { [a]: { overall: 7 }, [c]: { overall: 1 } })).rejects.toThrow(
      "Not rated yet: B, D.",
    );
    const rated = Object.fromEntries(
      [a, b, c, d].map((id) => [id, { overall: 4, flags: ["hallucination"] }]),
    );
    await send([[a, b, c, d]], rated);
    expect((await t.db.select().from(rankedResponses))[0]).toMatchObject({
      overall: 4,
      flags: ["hallucination"],
    });
  });

  it("gives a place back when a claim expires, keeps the draft, and takes a late ranking all the same", async () => {
    await using t = await testDatabase(home);
    const { tasks } = await makeBatch(t.db);
    const [slow, quick] = [await makeLabeler(t.db), await makeLabeler(t.db)];
    const task = await next(t.db, slow.id);
    const draft = { step: "rank" as const, mode: "board" as const, tiers: [[task.responses[0]?.id ?? ""]] };
    const saved = await callerFor(t.db, slow).labeling.saveDraft({
      claimId: task.claimId,
      draft: { ...draft, ratings: {}, noneAcceptable: false, demonstration: null },
      draftVersion: 0,
      activeMs: 700,
    });
    expect(saved.draftVersion).toBe(1);
    const later = new Date(Date.now() + 2 * hourMs);
    expect(await releaseExpired(t.db, later)).toBe(1);
    expect(await releaseExpired(t.db, later)).toBe(0);
    expect(await placesOf(t.db, task.taskId)).toMatchObject({ openPlaces: 1 });
    const again = await next(t.db, slow.id, later);
    expect(again).toMatchObject({ claimId: task.claimId, draft, draftVersion: 1, activeMs: 700 });
    await releaseExpired(t.db, new Date(later.getTime() + 2 * hourMs));
    expect((await next(t.db, quick.id)).taskId).toBe(tasks[0]?.taskId);
    await callerFor(t.db, slow).labeling.submit(inOrder(task));
    expect(await placesOf(t.db, task.taskId)).toMatchObject({ openPlaces: 0, status: "open" });
  });

  it("gives the places of a labeler back who is set aside or leaves", async () => {
    await using t = await testDatabase(home);
    const lead = await makePerson(t.db, { role: "admin" });
    await makeBatch(t.db, { tasks: 2 });
    const [aside, leaver] = [await makeLabeler(t.db), await makeLabeler(t.db)];
    const tasks = [await next(t.db, aside.id), await next(t.db, leaver.id)];
    await callerFor(t.db, lead).labelers.setAside({ userId: aside.id, reason: "Constant orders." });
    await t.db.transaction((tx) => releaseClaims(tx, leaver.id));
    for (const { taskId } of tasks) expect(await placesOf(t.db, taskId)).toMatchObject({ openPlaces: 1 });
  });

  it("refuses a draft from a window that has not seen the newest one", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    const labeler = await makeLabeler(t.db);
    const { claimId } = await next(t.db, labeler.id);
    const { saveDraft } = callerFor(t.db, labeler).labeling;
    const draft = { step: "rank" as const, mode: "board" as const };
    await saveDraft({ claimId, draft, draftVersion: 0, activeMs: 0 });
    await expect(saveDraft({ claimId, draft, draftVersion: 0, activeMs: 0 })).rejects.toThrow(
      "another window",
    );
  });

  it("redoes a ranking as a new version until a snapshot has taken it", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    const labeler = await makeLabeler(t.db);
    const caller = callerFor(t.db, labeler).labeling;
    const first = await next(t.db, labeler.id);
    const { rankingId } = await caller.submit(inOrder(first));
    const { task } = await caller.reopen({ rankingId });
    expect(task.draft?.tiers).toEqual(first.responses.map(({ id }) => [id]));
    const redone = await caller.submit({ ...inOrder(task), tiers: [task.responses.map(({ id }) => id)] });
    const versions = await t.db.select().from(rankings).orderBy(rankings.version);
    expect(versions.map(({ version, isCurrent }) => [version, isCurrent])).toEqual([
      [1, false],
      [2, true],
    ]);
    expect(await placesOf(t.db, first.taskId)).toMatchObject({ openPlaces: 0, status: "done" });
    const [dataset] = await t.db
      .insert(datasets)
      .values({ name: "D", kind: "rankings", source: "product" })
      .returning();
    await t.db.insert(snapshotRankings).values({ datasetId: dataset?.id ?? "", rankingId: redone.rankingId });
    await expect(caller.reopen({ rankingId: redone.rankingId })).rejects.toThrow("stays as it is");
    expect(await caller.recent()).toMatchObject([{ canReopen: false, status: "submitted" }]);
  });

  it("lets a redo that was left lie give back no place it never took", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    const labeler = await makeLabeler(t.db);
    const caller = callerFor(t.db, labeler).labeling;
    const { rankingId } = await caller.submit(inOrder(await next(t.db, labeler.id)));
    const { task } = await caller.reopen({ rankingId });
    await releaseExpired(t.db, new Date(Date.now() + 2 * hourMs));
    expect(await placesOf(t.db, task.taskId)).toMatchObject({ openPlaces: 0 });
  });

  it("pulls a reported prompt from every queue, and one that two cannot rank from this one", async () => {
    await using t = await testDatabase(home);
    const { batchId, tasks } = await makeBatch(t.db, { tasks: 2, overlap: 5 });
    const [one, two, three] = [await makeLabeler(t.db), await makeLabeler(t.db), await makeLabeler(t.db)];
    for (const labeler of [one, two]) {
      const { claimId } = await next(t.db, labeler.id);
      const put = { claimId, kind: "cannotBeRanked" as const, reason: "No question in it", activeMs: 1 };
      await callerFor(t.db, labeler).labeling.skip(put);
    }
    const open = await next(t.db, three.id);
    expect(open.taskId).toBe(tasks[1]?.taskId);
    const held = await next(t.db, one.id);
    const report = { claimId: open.claimId, kind: "report" as const, reason: "Names a person", activeMs: 1 };
    await callerFor(t.db, three).labeling.skip(report);
    await expect(callerFor(t.db, one).labeling.submit(inOrder(held))).rejects.toThrow("withdrawn");
    expect(await t.db.$count(taskClaims)).toBe(0);
    expect(await t.db.$count(taskSkips)).toBe(4);
    expect(await claimNext(t.db, { labelerId: two.id })).toHaveProperty("noTask");
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    expect((await lead.batches.tasks({ batchId })).tasks.map(({ reasons }) => reasons[0])).toEqual([
      "Labelers found that it cannot be ranked.",
      "The prompt was reported and pulled from every queue.",
    ]);
  });

  it("takes a lead's pulled prompt out of the queue with the reason, and puts it back as it was", async () => {
    await using t = await testDatabase(home);
    const { batchId, tasks } = await makeBatch(t.db, { tasks: 2 });
    const [one, two] = [await makeLabeler(t.db), await makeLabeler(t.db)];
    const first = await next(t.db, one.id);
    await callerFor(t.db, one).labeling.submit(inOrder(first));
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    const statuses = async () =>
      (await lead.batches.tasks({ batchId })).tasks.map(({ status, reasons }) => [status, ...reasons]);
    const pulled = ["excluded", "The prompt was reported and pulled from every queue."];
    for (const { promptId } of tasks) await lead.prompts.report({ promptId, reason: "personal" });
    expect(await statuses()).toEqual([pulled, pulled]);
    expect(await claimNext(t.db, { labelerId: two.id })).toHaveProperty("noTask");
    for (const { promptId } of tasks) await lead.prompts.restore({ promptId });
    expect(await statuses()).toEqual([["done"], ["open"]]);
    expect((await next(t.db, two.id)).taskId).toBe(tasks[1]?.taskId);
    await t.db
      .update(prompts)
      .set({ status: "erased" })
      .where(eq(prompts.id, tasks[1]?.promptId ?? ""));
    expect((await statuses())[1]).toEqual(["excluded", "The prompt was erased with its owner's data."]);
  });

  it("brings a task back to where its sampling was", async () => {
    await using t = await testDatabase(home);
    const { batchId, tasks } = await makeBatch(t.db, { tasks: 1, policies: ["a policy"] });
    const [task] = tasks;
    await t.db.update(rankingTasks).set({ status: "sampling" }).where(eq(rankingTasks.batchId, batchId));
    await t.db.delete(taskResponses).where(eq(taskResponses.responseId, task?.responseIds[0] ?? ""));
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    await lead.prompts.report({ promptId: task?.promptId ?? "", reason: "harmful" });
    await lead.prompts.restore({ promptId: task?.promptId ?? "" });
    expect((await lead.batches.tasks({ batchId })).tasks).toMatchObject([
      { status: "sampling", reasons: [] },
    ]);
  });

  it("brings the next task with what ends one, once, also where it is sent twice", async () => {
    await using t = await testDatabase(home);
    const { tasks } = await makeBatch(t.db, { tasks: 4 });
    const labeler = await makeLabeler(t.db);
    const caller = callerFor(t.db, labeler).labeling;
    const first = await next(t.db, labeler.id);
    const ending = { ...inOrder(first), nextPurpose: "work" as const };
    const [once, again] = await Promise.all([caller.submit(ending), caller.submit(ending)]);
    const second = taskOf(once.next);
    expect(taskOf(again.next).claimId).toBe(second.claimId);
    expect(second).toMatchObject({ taskId: tasks[1]?.taskId, draft: null });
    expect(await t.db.$count(taskClaims)).toBe(1);
    const skip = { claimId: second.claimId, kind: "skip" as const, reason: "Not mine", activeMs: 1 };
    const third = taskOf((await caller.skip({ ...skip, nextPurpose: "work" })).next);
    expect(third.taskId).toBe(tasks[2]?.taskId);
    const none = { ...inOrder(third), noneAcceptable: true, nextPurpose: "work" as const };
    const asked = taskOf((await caller.submit(none)).next);
    expect(asked.batch.task).toBe("demonstration");
    const written = { claimId: asked.claimId, editedFromId: null, pastedCharacters: 0, activeMs: 9 };
    const last = taskOf(
      (await caller.submitDemonstration({ ...written, text: "Ideal.", nextPurpose: "work" })).next,
    );
    expect(last.taskId).toBe(tasks[3]?.taskId);
    const { next: nothing } = await caller.submit({ ...inOrder(last), nextPurpose: "work" });
    expect(nothing).toMatchObject({ noTask: { reason: "empty" } });
  });

  it("brings back the draft that another machine left on the task that is next", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db, { tasks: 2 });
    const labeler = await makeLabeler(t.db);
    const caller = callerFor(t.db, labeler).labeling;
    const first = await next(t.db, labeler.id);
    await t.db.transaction((tx) => releaseClaims(tx, labeler.id));
    const draft = { step: "rank" as const, mode: "board" as const, tiers: [[first.responses[0]?.id ?? ""]] };
    await t.db.update(taskClaims).set({ draft }).where(eq(taskClaims.id, first.claimId));
    await t.db.update(rankingTasks).set({ openPlaces: 0 }).where(eq(rankingTasks.id, first.taskId));
    const second = await next(t.db, labeler.id);
    await t.db.update(rankingTasks).set({ openPlaces: 1 }).where(eq(rankingTasks.id, first.taskId));
    const { next: back } = await caller.submit({ ...inOrder(second), nextPurpose: "work" });
    expect(taskOf(back)).toMatchObject({ claimId: first.claimId, draft: { tiers: draft.tiers } });
  });

  it("gives nothing out where nothing is asked for, and keeps what was sent though the next is refused", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db, { tasks: 2 });
    const labeler = await makeLabeler(t.db, { dailyCap: 1 });
    const caller = callerFor(t.db, labeler).labeling;
    const task = await next(t.db, labeler.id);
    const { next: capped } = await caller.submit({ ...inOrder(task), nextPurpose: "work" });
    expect(capped).toMatchObject({ noTask: { reason: "dailyCap" } });
    expect((await caller.submit(inOrder(task))).next).toBeNull();
    expect(await t.db.$count(taskClaims)).toBe(0);
    expect(await t.db.$count(rankings)).toBe(1);
  });

  it("asks for a demonstration where none was acceptable, and keeps the order", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    const labeler = await makeLabeler(t.db);
    const caller = callerFor(t.db, labeler).labeling;
    const ranked = await next(t.db, labeler.id);
    await caller.submit({ ...inOrder(ranked), noneAcceptable: true });
    const asked = await next(t.db, labeler.id);
    expect(asked.batch.task).toBe("demonstration");
    expect(asked.responses.map(({ id }) => id).sort()).toEqual(ranked.responses.map(({ id }) => id).sort());
    const written = { claimId: asked.claimId, editedFromId: null, pastedCharacters: 3, activeMs: 9 };
    await expect(caller.submitDemonstration({ ...written, text: " " })).rejects.toThrow("empty");
    await caller.submitDemonstration({ ...written, text: "The ideal answer." });
    await caller.submitDemonstration({ ...written, text: "The ideal answer." });
    expect(await t.db.select().from(demonstrations)).toMatchObject([
      { text: "The ideal answer.", version: 1 },
    ]);
    expect(await claimNext(t.db, { labelerId: labeler.id })).toHaveProperty("noTask");
  });

  it("brings a share of tasks back to the same labeler weeks later, and to nobody else", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db, { repeatShare: 1 });
    const [labeler, other] = [await makeLabeler(t.db), await makeLabeler(t.db)];
    const first = await next(t.db, labeler.id);
    await callerFor(t.db, labeler).labeling.submit(inOrder(first));
    expect(await claimNext(t.db, { labelerId: labeler.id })).toHaveProperty("noTask");
    const weeksLater = new Date(Date.now() + 29 * 24 * hourMs);
    expect(await claimNext(t.db, { labelerId: other.id }, weeksLater)).toHaveProperty("noTask");
    const again = await next(t.db, labeler.id, weeksLater);
    expect(again.taskId).not.toBe(first.taskId);
    expect(again.prompt).toEqual(first.prompt);
    await callerFor(t.db, labeler).labeling.submit(inOrder(again));
    expect(await t.db.$count(rankingTasks)).toBe(2);
  });

  it("refuses work before the agreement, before a test that exists is passed, and to who was set aside", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    const fresh = await makeLabeler(t.db, { agreedAt: null, agreementVersion: null });
    const caller = callerFor(t.db, fresh).labeling;
    expect(await caller.next({})).toMatchObject({ noTask: { reason: "mustAgree" } });
    await caller.agree();
    const test = await makeTest(t.db);
    expect(await caller.next({})).toMatchObject({ noTask: { reason: "notQualified" } });
    await callerFor(t.db, fresh).qualification.start({});
    expect(await caller.next({ purpose: "qualification" })).toHaveProperty("task");
    await t.db
      .update(batches)
      .set({ status: "closed", closedAt: new Date() })
      .where(eq(batches.id, test.batchId));
    expect(await caller.next({})).toHaveProperty("task");
    const aside = await makeLabeler(t.db, { setAsideAt: new Date(), setAsideReason: "Too fast." });
    expect(await claimNext(t.db, { labelerId: aside.id })).toMatchObject({ noTask: { reason: "setAside" } });
  });

  it("shows neither the claim nor the ranking of somebody else", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db);
    const [mine, other] = [await makeLabeler(t.db), await makeLabeler(t.db)];
    const task = await next(t.db, mine.id);
    const stranger = callerFor(t.db, other).labeling;
    await expect(stranger.submit(inOrder(task))).rejects.toThrow("no longer yours");
    await expect(stranger.ask({ taskId: task.taskId, question: "Why?" })).rejects.toThrow("no such task");
    const { rankingId } = await callerFor(t.db, mine).labeling.submit(inOrder(task));
    await expect(stranger.reopen({ rankingId })).rejects.toThrow("no such ranking");
    await expect(stranger.submit(inOrder(task))).rejects.toThrow("no longer yours");
    expect(await stranger.recent()).toEqual([]);
    const claims = and(eq(taskClaims.labelerId, other.id));
    expect(await t.db.$count(taskClaims, claims)).toBe(0);
  });

  it("counts what a labeler did: tasks, pairs, ties and active time, skipped tasks included", async () => {
    await using t = await testDatabase(home);
    await makeBatch(t.db, { tasks: 2 });
    const labeler = await makeLabeler(t.db);
    const caller = callerFor(t.db, labeler).labeling;
    const task = await next(t.db, labeler.id);
    const [a = "", b = "", c = "", d = ""] = task.responses.map(({ id }) => id);
    await caller.submit({ ...inOrder(task), tiers: [[a, b], [c], [d]] });
    const { claimId } = await next(t.db, labeler.id);
    await caller.skip({ claimId, kind: "skip", reason: "Too long", activeMs: 2_000 });
    const figures = await caller.figures();
    expect(figures).toMatchObject({ tasks: 1, comparisons: 5, ties: 1, activeMs: 7_000 });
    expect((await caller.status()).today).toEqual({ tasks: 1, activeMs: 5_000 });
    const [week] = figures.byWeek;
    expect(figures.byWeek).toEqual([{ ...week, tasks: 1, comparisons: 5, activeMs: 7_000 }]);
    const { task: again } = await caller.reopen({ rankingId: task.claimId });
    await caller.submit({ ...inOrder(again), claimId: again.claimId });
    expect(await caller.figures()).toMatchObject({ tasks: 1, comparisons: 6, ties: 0, activeMs: 12_000 });
  });
});
