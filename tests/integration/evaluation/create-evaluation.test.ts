/** @file Evaluations as batches: who is asked what, and that nothing is ever trained on what labelers say there. */
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { batches, channels, rankings, responses } from "@/drizzle/schema";
import { readRankings } from "@/server/domain/agreement/read-rankings";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { snapshotRankingsOf } from "@/server/domain/exchange/make-snapshot";
import { rankingFilterSchema, readRankedPrompts } from "@/server/domain/exchange/read-ranked-prompts";
import { listLabelers } from "@/server/domain/labelers/list-labelers";
import { paymentCsv } from "@/server/domain/labelers/payment";
import { claimNext } from "@/server/domain/labeling/claims";
import { listOwnRankings } from "@/server/domain/labeling/own-work";
import {
  chooseRewardModel,
  readCurrentRewardModel,
} from "@/server/domain/reward-models/current-reward-model";
import { findUnscoredTask } from "@/server/domain/reward-models/unscored-rankings";
import { addPrompts, tasksOf } from "../../helpers/batches";
import { addPolicy, addTestPrompts, answerAll, judgeAll, makeEvaluation } from "../../helpers/evaluating";
import { writeFakeCheckpoint } from "../../helpers/fake-checkpoint";
import { makeLabeler } from "../../helpers/labeling";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { callerFor, makePerson, testEnv } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

async function workshop(home?: Parameters<typeof testDatabase>[0]) {
  const [t, folder] = [await testDatabase(home), await temporaryFolder()];
  const admin = await makePerson(t.db, { role: "admin" });
  const caller = callerFor(t.db, admin, { env: testEnv({ ATTUNE_DATA: folder.path }) });
  return {
    db: t.db,
    dataFolder: folder.path,
    caller,
    async [Symbol.asyncDispose]() {
      await t[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const texts = ["Question one", "Question two", "Question three"];
const longer = (left: string, right: string) => (left.length > right.length ? "left" : "right");

describeEachDatabase("evaluations", (home) => {
  it("ask labelers about one response of each policy, on held-out users' prompts alone", async () => {
    await using w = await workshop(home);
    await addPrompts(w.db, ["Trained on"]);
    const made = await makeEvaluation(w.db, { dataFolder: w.dataFolder, texts });
    await answerAll(w.db, made, (prompt, policy) =>
      policy === "candidate" ? `${prompt}, at length` : `${prompt}!`,
    );
    const [labeler, second] = [await makeLabeler(w.db), await makeLabeler(w.db)];
    expect(await judgeAll(w.db, labeler.id, longer)).toBe(3);
    expect(await judgeAll(w.db, second.id, longer)).toBe(0);
    expect(await w.caller.evaluations.get({ batchId: made.batchId })).toMatchObject({
      candidate: { id: made.candidateId, name: "tuned-8" },
      opponent: { id: made.opponentId, name: "tuned-7" },
      progress: { rankings: 3, labelers: 1, openPlaces: 0, tasks: { done: 3 } },
    });
    expect(await w.db.$count(responses, eq(responses.checkpointId, made.candidateId))).toBe(3);
    // What was said may be said again otherwise, as with other work.
    expect((await listOwnRankings(w.db, labeler.id)).map(({ canReopen }) => canReopen)).toEqual([
      true,
      true,
      true,
    ]);
  });

  it("ask nobody about a prompt to which both policies say the same", async () => {
    await using w = await workshop(home);
    const made = await makeEvaluation(w.db, { dataFolder: w.dataFolder, texts });
    await answerAll(w.db, made, (prompt, policy) => (prompt.endsWith("two") ? "Yes." : `Yes, ${policy}`));
    expect((await tasksOf(w.db, made.batchId)).map(({ status }) => status).toSorted()).toEqual([
      "done",
      "open",
      "open",
    ]);
    expect(await judgeAll(w.db, (await makeLabeler(w.db)).id, longer)).toBe(2);
  });

  it("leave no ranking for anything that learns, and all of it for payment", async () => {
    await using w = await workshop(home);
    const model = await registerCheckpoint(
      w.db,
      await writeFakeCheckpoint(w.dataFolder, "rm", { stage: "reward" }),
      w.dataFolder,
    );
    const admin = await makePerson(w.db, { role: "admin" });
    await chooseRewardModel(w.db, { checkpointId: model, actorId: admin.id });
    const made = await makeEvaluation(w.db, { dataFolder: w.dataFolder, texts, overlap: 2 });
    await answerAll(w.db, made, (prompt, policy) => `${prompt} by ${policy}`);
    const labeler = await makeLabeler(w.db);
    await judgeAll(w.db, labeler.id, longer);
    await judgeAll(w.db, (await makeLabeler(w.db)).id, longer);
    expect(await w.db.$count(rankings)).toBe(6);
    // The reward model in use: neither scored, nor waited for, nor measured by them.
    expect(await findUnscoredTask(w.db)).toBeNull();
    expect((await readCurrentRewardModel(w.db))?.unscored).toBe(0);
    // Exports and snapshots, with every filter that could name them.
    const filter = rankingFilterSchema.parse({ batchIds: [made.batchId] });
    for (const options of [rankingFilterSchema.parse({}), filter]) {
      const found: unknown[] = [];
      for await (const task of readRankedPrompts(w.db, { ...options, withHeldOut: true })) found.push(task);
      expect(found).toEqual([]);
    }
    await expect(
      snapshotRankingsOf(w.db, {
        filter,
        agreementFloor: null,
        name: "S",
        description: "",
        actorId: null,
      }),
    ).rejects.toThrow("No ranking fits");
    // Agreement of labelers is of what they are trained to do.
    expect((await readRankings(w.db, {})).first).toEqual([]);
    // The labeler's time is paid as all of it.
    const paid = (await paymentCsv(w.db)).split("\r\n").slice(1, -1);
    expect(paid.map((line) => line.split(",").slice(-2).join())).toEqual(["3,3", "3,3"]);
    const row = (await listLabelers(w.db)).find(({ id }) => id === labeler.id);
    expect(row).toMatchObject({ comparisons: 3, figures: { rankings: 3, medianActiveMs: null } });
  });

  it("open no demonstration of a held-out user's prompt where both are bad", async () => {
    await using w = await workshop(home);
    const made = await makeEvaluation(w.db, { dataFolder: w.dataFolder, texts: ["Only one"] });
    await answerAll(w.db, made, (_, policy) => `Nonsense by ${policy}`);
    const { id } = await makeLabeler(w.db);
    expect(await judgeAll(w.db, id, () => "bothBad")).toBe(1);
    expect(await w.db.$count(batches, eq(batches.task, "demonstration"))).toBe(0);
    expect(await claimNext(w.db, { labelerId: id })).toMatchObject({ noTask: { reason: "empty" } });
  });
});

describe("an evaluation is refused", () => {
  const id = "0".repeat(64);

  it("with the fact that stands against it", async () => {
    await using w = await workshop();
    const candidateId = await addPolicy(w.db, w.dataFolder, "tuned-8");
    const opponentId = await addPolicy(w.db, w.dataFolder, "tuned-7");
    const rewardModelId = await registerCheckpoint(
      w.db,
      await writeFakeCheckpoint(w.dataFolder, "rm-1", { stage: "reward" }),
      w.dataFolder,
    );
    await addPrompts(w.db, ["Trained on", "Trained on too"]);
    const create = (fields: object) =>
      w.caller.evaluations.create({ name: "Side by side", candidateId, opponentId, ...fields });
    await expect(create({ opponentId: candidateId })).rejects.toThrow("are one checkpoint");
    await expect(create({ opponentId: null })).rejects.toThrow("No policy is live");
    await expect(create({ candidateId: rewardModelId })).rejects.toThrow("A reward model scores answers");
    await expect(create({ candidateId: id })).rejects.toThrow("no such checkpoint");
    await expect(create({ name: "Is Tuned-8 better?" })).rejects.toThrow("tells of “tuned-8”");
    await expect(create({})).rejects.toThrow("None of the 2 prompts that may be used");
    await addTestPrompts(w.db, ["Held out"]);
    await expect(create({ groupId: crypto.randomUUID() })).rejects.toThrow("no such group");
    await expect(create({ rewardModelIds: [opponentId] })).rejects.toThrow("“tuned-7” answers");
    await expect(create({ rewardModelIds: [id] })).rejects.toThrow("no such reward model");
    expect(await w.db.$count(batches)).toBe(0);
    await w.db.insert(channels).values({ name: "live", checkpointId: opponentId });
    expect(await create({ opponentId: null, rewardModelIds: [rewardModelId] })).toMatchObject({ tasks: 1 });
  });

  it("in the schema too, where it does not compare two policies", async () => {
    await using w = await workshop();
    const made = await makeEvaluation(w.db, { dataFolder: w.dataFolder, texts });
    const set = (values: Partial<typeof batches.$inferInsert>) =>
      w.db.update(batches).set(values).where(eq(batches.id, made.batchId));
    await expect(set({ policies: [made.candidateId, made.candidateId] })).rejects.toThrow();
    await expect(set({ policies: [made.candidateId] })).rejects.toThrow();
    await expect(set({ task: "ranking", k: 4 })).rejects.toThrow();
  });
});
