/** @file Labelers as a lead sees and manages them: figures, signs, groups, work set aside, payment. */
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { labelers, rankingTasks, responses, taskResponses } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { findSignals, median } from "@/server/domain/labelers/signals";
import { addBatch, addPrompts, addRanking, tasksOf } from "../../helpers/batches";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

async function twoTasks(db: Db) {
  const promptIds = await addPrompts(db, ["1", "2"]);
  const { batchId } = await addBatch(db, { prompts: { by: "ids", promptIds } });
  const tasks = await tasksOf(db, batchId);
  for (const { id: taskId, promptId } of tasks) {
    const made = await db
      .insert(responses)
      .values(["a", "b", "c", "d"].map((text) => ({ promptId, source: "imported" as const, text })))
      .returning({ id: responses.id });
    await db
      .insert(taskResponses)
      .values(made.map(({ id }, position) => ({ taskId, responseId: id, position, goldRank: position + 1 })));
  }
  return tasks.map(({ id }) => id);
}

describeEachDatabase("labelers", (home) => {
  it("are listed with their figures, by SQL over what they did", async () => {
    await using t = await testDatabase(home);
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    const ann = await makePerson(t.db, { role: "labeler", name: "Ann" });
    const [one = "", two = ""] = await twoTasks(t.db);
    await t.db.update(rankingTasks).set({ isGold: true }).where(eq(rankingTasks.id, one));
    // The known order is 1 2 3 4: one of its six pairs is turned, one tied.
    await addRanking(t.db, { taskId: one, labelerId: ann.id, ranks: [2, 1, 3, 3], activeMs: 1_000 });
    await addRanking(t.db, { taskId: two, labelerId: ann.id, ranks: [4, 3, 2, 1], activeMs: 3_000 });
    const [row] = await lead.labelers.list();
    expect(row).toMatchObject({ name: "Ann", comparisons: 11, activeMs: 4_000, setAside: null, signals: [] });
    expect(row?.figures).toMatchObject({
      rankings: 2,
      medianActiveMs: 2_000,
      asPresented: 1,
      goldPairs: 6,
      goldMisses: 2,
    });
    expect(row?.figures.asPresentedByChance).toBeCloseTo(2 * (2 / 24), 10);
  });

  it("move between groups, are set aside with a reason, and come back", async () => {
    await using t = await testDatabase(home);
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    const ann = await makePerson(t.db, { role: "labeler", name: "Ann" });
    const { groupId } = await lead.labelers.createGroup({ name: "Judges", isHeldOut: true });
    await expect(lead.labelers.createGroup({ name: "Judges" })).rejects.toThrow("“Judges” already");
    await lead.labelers.move({ userId: ann.id, groupId });
    expect(await lead.labelers.groups()).toMatchObject([{ name: "Judges", isHeldOut: true, members: 1 }]);
    await lead.labelers.setAside({ userId: ann.id, reason: "Too fast." });
    expect((await lead.labelers.list())[0]?.setAside).toMatchObject({ reason: "Too fast." });
    await lead.labelers.restore({ userId: ann.id });
    const [row] = await t.db.select().from(labelers).where(eq(labelers.userId, ann.id));
    expect(row).toMatchObject({ groupId, setAsideAt: null, setAsideReason: null });
  });

  it("are paid by active time, tasks and comparisons of an ISO week, redone work included", async () => {
    await using t = await testDatabase(home);
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    const ann = await makePerson(t.db, { role: "labeler", name: '=Ann, "A"' });
    const [one = "", two = ""] = await twoTasks(t.db);
    // A Sunday of week 53 of 2026, and the Monday after it.
    const [sunday, monday] = [new Date("2027-01-03T23:00:00Z"), new Date("2027-01-04T01:00:00Z")];
    const hour = 3_600_000;
    const base = { labelerId: ann.id, ranks: [1, 2, 3, 4], activeMs: hour };
    await addRanking(t.db, { ...base, taskId: one, createdAt: sunday, isCurrent: false });
    await addRanking(t.db, { ...base, taskId: one, createdAt: monday, version: 2 });
    await addRanking(t.db, { ...base, taskId: two, createdAt: monday, ranks: [1, 1, 2, 3] });
    const [labeler] = await t.db.select().from(labelers);
    const who = `${labeler?.pseudonym},"'=Ann, ""A"""`;
    expect((await lead.labelers.payment()).split("\r\n")).toEqual([
      "week,labeler,name,activeHours,tasks,comparisons",
      `2026-W53,${who},1.0000,1,0`,
      `2027-W01,${who},2.0000,1,11`,
      "",
    ]);
  });
});

describe("signs of work that is not honest", () => {
  const honest = {
    rankings: 40,
    medianActiveMs: 90_000,
    asPresented: 1,
    asPresentedByChance: 0.1,
    demonstratedCharacters: 1_000,
    pastedCharacters: 100,
    goldPairs: 60,
    goldMisses: 15,
  };
  const kinds = (change: object) => findSignals({ ...honest, ...change }, 100_000).map(({ kind }) => kind);

  it("are found where they are, and not in ordinary work or in little work", () => {
    expect(kinds({})).toEqual([]);
    expect(kinds({ medianActiveMs: 20_000 })).toEqual(["tooFast"]);
    expect(kinds({ asPresented: 20 })).toEqual(["constantOrder"]);
    // Of pairs, half are as presented by chance, one way or the other all: no sign.
    expect(kinds({ asPresented: 40, asPresentedByChance: 40 })).toEqual([]);
    expect(kinds({ pastedCharacters: 900 })).toEqual(["pasted"]);
    expect(kinds({ goldMisses: 30 })).toEqual(["goldFailures"]);
    expect(kinds({ rankings: 5, medianActiveMs: 1_000, asPresented: 5 })).toEqual([]);
  });

  it("compare with the median", () => {
    expect([median([]), median([3]), median([1, 3]), median([9, 1, 2])]).toEqual([null, 3, 2, 2]);
  });
});
