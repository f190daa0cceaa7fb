/** @file Batches that go to labelers by a reward model's doubt: scored in the background, behind everybody else. */
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkpoints, rankingTasks, responses } from "@/drizzle/schema";
import { normalCdf } from "@/model/eval/normal-distribution";
import type { DoubtFirst } from "@/server/domain/batches/batch-schema";
import { newBatchSchema } from "@/server/domain/batches/batch-schema";
import { readBatch } from "@/server/domain/batches/read-batches";
import { claimNext } from "@/server/domain/labeling/claims";
import { addBatch, addPrompts, tasksOf } from "../../helpers/batches";
import { waitUntil } from "../../helpers/fake-generation";
import { type MadeBatch, makeBatch, makeLabeler } from "../../helpers/labeling";
import { type RewardServer, rewardServer } from "../../helpers/reward-server";
import { callerFor, makePerson } from "../../helpers/test-context";

let server: RewardServer;
beforeEach(async () => {
  server = await rewardServer({ doubtsIdleMs: 20, idleMs: 200 });
});
afterEach(() => server[Symbol.asyncDispose]());

/** As many tasks as there are lists of texts; paused. */
async function pausedBatch(
  doubtModelId: string,
  doubtBy: DoubtFirst["by"],
  texts: readonly (readonly string[])[],
): Promise<MadeBatch> {
  const made = await makeBatch(server.db, {
    doubtBy,
    doubtModelId,
    status: "paused",
    tasks: texts.length,
    task: "pairwise",
    k: 2,
  });
  for (const [at, { responseIds }] of made.tasks.entries()) {
    for (const [place, id] of responseIds.entries()) {
      const text = texts[at]?.[place] ?? "";
      await server.db.update(responses).set({ text }).where(eq(responses.id, id));
    }
  }
  return made;
}

async function orderedBatch(...args: Parameters<typeof pausedBatch>): Promise<MadeBatch> {
  const made = await pausedBatch(...args);
  await open(made.batchId);
  return made;
}

async function open(batchId: string): Promise<void> {
  const admin = callerFor(server.db, await makePerson(server.db, { role: "admin" }));
  await admin.batches.steer({ batchId, steer: "open" });
}

const doubtsOf = async (batchId: string) =>
  (await tasksOf(server.db, batchId)).map(({ doubt, position }) => ({ doubt, position }));

const progressOf = async (batchId: string) => (await readBatch(server.db, batchId)).doubtFirst;

/** Positions of the tasks, as one labeler after the other gets them. */
async function givenOut(batch: MadeBatch): Promise<number[]> {
  const given: number[] = [];
  for (const _ of batch.tasks) {
    const { id } = await makeLabeler(server.db);
    const claimed = await claimNext(server.db, { labelerId: id });
    if (!("task" in claimed)) break;
    const { taskId } = claimed.task;
    given.push(batch.tasks.findIndex((task) => task.taskId === taskId));
  }
  return given;
}

describe("a batch ordered by a reward model's doubt", () => {
  it("gives out first the tasks about whose order the members of an ensemble differ", async () => {
    const model = await server.addCheckpoint("ensemble", { ensemble: 2 });
    const batch = await orderedBatch(model, "deviation", [
      ["sure", "sure too"],
      ["or [split]", "sure"],
      // Both move alike: no margin is unsure.
      ["one [split]", "two [split]"],
    ]);
    await waitUntil(async () => (await progressOf(batch.batchId))?.waiting === 0);
    expect(await progressOf(batch.batchId)).toMatchObject({
      by: "deviation",
      scored: 3,
      model: { id: model, isDeleted: false },
    });
    const [first, second, third] = await doubtsOf(batch.batchId);
    expect(first?.doubt).toBe(0);
    // A margin of 1 with a deviation of 0.71.
    expect(second?.doubt).toBeCloseTo(normalCdf(-Math.SQRT2), 6);
    expect(third?.doubt).toBe(0);
    expect(await givenOut(batch)).toEqual([1, 0, 2]);
  });

  it("gives out first the tasks with the narrowest margins, by a model with one head too", async () => {
    const model = await server.addCheckpoint("rm-1");
    const batch = await orderedBatch(model, "margin", [
      ["one", "two words and five more here"],
      ["one", "two words"],
      ["one", "one"],
    ]);
    await waitUntil(async () => (await progressOf(batch.batchId))?.waiting === 0);
    const doubts = (await doubtsOf(batch.batchId)).map(({ doubt }) => doubt);
    expect(doubts[2]).toBeCloseTo(0.5, 6);
    expect(doubts[1]).toBeCloseTo(1 / (1 + Math.E), 6);
    expect(await givenOut(batch)).toEqual([2, 1, 0]);
    const admin = callerFor(server.db, await makePerson(server.db, { role: "admin" }));
    const { tasks } = await admin.batches.tasks({ batchId: batch.batchId });
    expect(tasks.map(({ doubt }) => doubt)).toEqual(doubts);
  });

  it("keeps the plain order where the reward model is gone, and asks it no more", async () => {
    const model = await server.addCheckpoint("rm-1");
    await server.db.update(checkpoints).set({ deletedAt: new Date() }).where(eq(checkpoints.id, model));
    const batch = await orderedBatch(model, "margin", [
      ["one", "two words"],
      ["one", "one"],
    ]);
    expect(await givenOut(batch)).toEqual([0, 1]);
    expect(server.services.scoring.status).toBeNull();
    expect(server.services.doubts.hindrances()).toEqual([]);
    expect(await progressOf(batch.batchId)).toMatchObject({ scored: 0, model: { isDeleted: true } });
  });

  it("says what keeps a model from scoring, and gives tasks out plainly meanwhile", async () => {
    const broken = await server.addCheckpoint("broken");
    const batch = await orderedBatch(broken, "margin", [["one", "two words"]]);
    await waitUntil(async () => server.services.doubts.hindrances().length > 0);
    const lead = callerFor(server.db, await makePerson(server.db, { grants: ["labelingLead"] }));
    expect(await lead.batches.doubtHindrances()).toMatchObject([
      { modelId: broken, message: "broken is no reward model." },
    ]);
    expect(await givenOut(batch)).toEqual([0]);
  });

  it("passes over a task that cannot be scored, and goes on with the next", async () => {
    const model = await server.addCheckpoint("rm-1");
    const batch = await orderedBatch(model, "margin", [
      ["[nan]", "one"],
      ["one", "one"],
    ]);
    // Two seconds after the failure.
    await waitUntil(async () => (await progressOf(batch.batchId))?.scored === 1, 15_000);
    expect((await doubtsOf(batch.batchId)).map(({ doubt }) => doubt)).toEqual([null, 0.5]);
  });

  it("waits while another model is in memory, until nobody has asked it for a while", async () => {
    await server[Symbol.asyncDispose]();
    server = await rewardServer({ doubtsIdleMs: 20, idleMs: 2_000 });
    const [other, model] = [await server.addCheckpoint("rm-other"), await server.addCheckpoint("rm-1")];
    const { scoring } = server.services;
    const request = {
      prompt: [{ role: "user" as const, content: "?" }],
      responses: ["a"],
      withTokens: false,
    };
    const { batchId } = await pausedBatch(model, "margin", [["one", "one"]]);
    await scoring.score(other, request);
    await open(batchId);
    for (let asked = 0; asked < 10; asked++) {
      await scoring.score(other, request);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await progressOf(batchId)).toMatchObject({ scored: 0, waiting: 1 });
    expect(scoring.status?.checkpointId).toBe(other);
    await waitUntil(async () => (await progressOf(batchId))?.scored === 1);
  });

  it("leaves paused batches alone, and what is scored stays scored", async () => {
    const model = await server.addCheckpoint("rm-1");
    const batch = await orderedBatch(model, "margin", [["one", "one"]]);
    await waitUntil(async () => (await progressOf(batch.batchId))?.scored === 1);
    const admin = callerFor(server.db, await makePerson(server.db, { role: "admin" }));
    await admin.batches.steer({ batchId: batch.batchId, steer: "pause" });
    await server.db.update(rankingTasks).set({ doubt: null }).where(eq(rankingTasks.batchId, batch.batchId));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await progressOf(batch.batchId)).toMatchObject({ scored: 0, waiting: 1 });
    await admin.batches.steer({ batchId: batch.batchId, steer: "open" });
    await waitUntil(async () => (await progressOf(batch.batchId))?.scored === 1);
  });
});

describe("making such a batch", () => {
  const wanted = (rewardModelId: string, by: DoubtFirst["by"] = "margin") => ({ by, rewardModelId });

  it("refuses a model that is not there, one that answers, and the deviation of one head", async () => {
    const [single, ensemble, policy] = [
      await server.addCheckpoint("rm-1"),
      await server.addCheckpoint("ensemble", { ensemble: 2 }),
      await server.addCheckpoint("policy", { stage: "sft" }),
    ];
    const [promptId = ""] = await addPrompts(server.db, ["why?"]);
    const make = (doubtFirst: DoubtFirst) =>
      addBatch(
        server.db,
        {
          task: "pairwise",
          prompts: { by: "ids", promptIds: [promptId] },
          policies: [policy],
          doubtFirst,
        },
        server.dataFolder,
      );
    await expect(make(wanted("0".repeat(64)))).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(make(wanted(policy))).rejects.toThrow(
      "“policy” answers; only a reward model scores answers.",
    );
    await expect(make(wanted(single, "deviation"))).rejects.toThrow(
      "“rm-1” has one head, so nothing tells how unsure it is.",
    );
    const { batchId } = await make(wanted(ensemble, "deviation"));
    expect(await progressOf(batchId)).toMatchObject({ by: "deviation", scored: 0, waiting: 1 });
  });

  it("refuses it where nothing is to be scored, or where there is an order already", () => {
    const problems = (fields: object) =>
      newBatchSchema
        .safeParse({
          name: "n",
          prompts: { by: "filter", count: 1 },
          doubtFirst: wanted("a".repeat(64)),
          ...fields,
        })
        .error?.issues.map(({ path }) => path.join("."));
    expect(problems({ task: "demonstration" })).toEqual(["doubtFirst"]);
    expect(problems({ purpose: "practice", policies: ["a".repeat(64)] })).toEqual(["doubtFirst"]);
    expect(problems({ policies: ["a".repeat(64)] })).toBeUndefined();
  });

  it("lists reward models with their heads for leads, and refuses everybody else", async () => {
    await server.addCheckpoint("rm-1");
    await server.addCheckpoint("ensemble", { ensemble: 3 });
    await server.addCheckpoint("policy", { stage: "sft" });
    const lead = callerFor(server.db, await makePerson(server.db, { grants: ["labelingLead"] }));
    const found = await lead.batches.doubtModels();
    expect(new Set(found.map(({ name, members }) => `${name} ${members}`))).toEqual(
      new Set(["rm-1 1", "ensemble 3"]),
    );
    for (const role of ["user", "labeler"] as const) {
      const { batches } = callerFor(server.db, await makePerson(server.db, { role }));
      await expect(batches.doubtModels()).rejects.toMatchObject({ code: "FORBIDDEN" });
      await expect(batches.doubtHindrances()).rejects.toMatchObject({ code: "FORBIDDEN" });
    }
  });
});
