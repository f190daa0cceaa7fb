/** @file The reward model in use: it scores new rankings first, nothing is stuck behind it, and its accuracy is kept by policy. */
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  auditLog,
  checkpoints,
  currentRewardModel,
  labelerGroups,
  rankingScores,
  rankings,
  rankingTasks,
  responses,
  rewardReports,
  runDatasets,
  runs,
} from "@/drizzle/schema";
import { makeRewardReport } from "@/model/eval/reward/report";
import { describeUse } from "@/server/domain/channels";
import { markDeleted } from "@/server/domain/checkpoints";
import { snapshotRankingsOf } from "@/server/domain/exchange/make-snapshot";
import { rankingFilterSchema } from "@/server/domain/exchange/read-ranked-prompts";
import { describeWaiting } from "@/server/domain/reward-models/current-reward-model";
import { findUnscoredTask, storeScores } from "@/server/domain/reward-models/unscored-rankings";
import { log } from "@/server/log";
import { processState } from "@/server/process-state";
import { checkRewardModels } from "@/server/runs/check-reward-models";
import { startScoring } from "@/server/scoring/scoring-services";
import { addRanking } from "../../helpers/batches";
import { compileFakeScorer } from "../../helpers/compile-fake-engine";
import { waitUntil } from "../../helpers/fake-generation";
import { type MadeTask, makeBatch, makeLabeler } from "../../helpers/labeling";
import { type RewardServer, rewardServer } from "../../helpers/reward-server";
import { scoredPrompt } from "../../helpers/scored-prompts";
import { callerFor, makePerson } from "../../helpers/test-context";

/** The fake scorer counts words: the first response is best, the last worst. */
const words = ["one two three four", "one two three", "one two", "one"];
const [asItScores, backwards] = [
  [1, 2, 3, 4],
  [4, 3, 2, 1],
];

let server: RewardServer;
beforeEach(async () => {
  server = await rewardServer({ rankingsEveryMs: 20 });
});
afterEach(() => server[Symbol.asyncDispose]());

const asAdmin = async () =>
  callerFor(server.db, await makePerson(server.db, { role: "admin" }), { env: server.env }).rewardModels;

async function choose(checkpointId: string): Promise<void> {
  await (await asAdmin()).choose({ checkpointId });
}

/** One labeler's ranking of a task, as it is stored. */
async function rank(task: MadeTask | undefined, ranks = asItScores, fields = {}): Promise<string> {
  const labeler = await makeLabeler(server.db);
  return addRanking(server.db, { taskId: task?.taskId ?? "", labelerId: labeler.id, ranks, ...fields });
}

const makeTasks = async (tasks: number, textOf = (i: number) => words[i] ?? "") =>
  (await makeBatch(server.db, { tasks, textOf })).tasks;

const takeSnapshot = () =>
  snapshotRankingsOf(server.db, {
    name: "S",
    description: "",
    actorId: null,
    filter: rankingFilterSchema.parse({}),
    agreementFloor: null,
  });

const scoreOf = async (rankingId: string) =>
  (await server.db.select().from(rankingScores).where(eq(rankingScores.rankingId, rankingId)))[0];
const isScored = (rankingId: string) => waitUntil(async () => (await scoreOf(rankingId)) !== undefined);

/** Nobody scores until `start`: what a stopped server has left to do. */
async function stopScoring() {
  await server.services[Symbol.asyncDispose]();
  return async () => {
    const services = startScoring({
      db: server.db,
      env: { ATTUNE_DATA: server.dataFolder },
      log,
      scorerEntry: await compileFakeScorer(server.dataFolder),
      rankingsEveryMs: 20,
    });
    server.services = services;
    processState().scoring = services;
  };
}

describe("new rankings", () => {
  it("stay out of snapshots until they are scored, also over a restart", async () => {
    const [old, fresh] = await makeTasks(2);
    const before = await rank(old);
    await choose(await server.addCheckpoint("rm-1"));
    const start = await stopScoring();
    const after = await rank(fresh);
    expect(await describeWaiting(server.db)).toEqual({ rewardModel: "rm-1", waiting: 1, isHindered: false });
    expect((await takeSnapshot()).rowCount).toBe(1);
    await start();
    await isScored(after);
    expect((await takeSnapshot()).rowCount).toBe(2);
    expect(await scoreOf(before)).toBeUndefined();
    expect(await describeWaiting(server.db)).toMatchObject({ waiting: 0 });
  });

  it("are scored at once where a labeler submits one", async () => {
    await server[Symbol.asyncDispose]();
    server = await rewardServer();
    await makeTasks(1);
    await choose(await server.addCheckpoint("rm-1"));
    const { labeling } = callerFor(server.db, await makeLabeler(server.db));
    const given = await labeling.next({});
    if (!("task" in given)) throw new Error(given.noTask.text);
    const tiers = given.task.responses.map(({ id }) => [id]);
    const submission = { claimId: given.task.claimId, mode: "board" as const, tiers, activeMs: 1 };
    const { rankingId } = await labeling.submit(submission);
    await isScored(rankingId);
    expect(await scoreOf(rankingId)).toMatchObject({ pairs: 6, fault: null });
  });

  it("are named where a snapshot would hold nothing else", async () => {
    const [task] = await makeTasks(1);
    await choose(await server.addCheckpoint("rm-1"));
    await stopScoring();
    await rank(task);
    await expect(takeSnapshot()).rejects.toThrow("New ones wait to be scored by rm-1 first (1 now)");
  });

  it("do not wait where nothing learns from them: of the held-out group, gold, imports", async () => {
    const [gold, ofGroup, imported] = await makeTasks(3);
    const [group] = await server.db.insert(labelerGroups).values({ name: "H", isHeldOut: true }).returning();
    await server.db
      .update(rankingTasks)
      .set({ isGold: true })
      .where(eq(rankingTasks.id, gold?.taskId ?? ""));
    await choose(await server.addCheckpoint("rm-1"));
    await stopScoring();
    await rank(gold);
    await rank(ofGroup, asItScores, { groupId: group?.id });
    await rank(imported, asItScores, { kind: "imported", mode: "imported" });
    expect(await describeWaiting(server.db)).toMatchObject({ waiting: 0 });
    expect((await takeSnapshot()).rowCount).toBe(1);
  });

  it("are counted as the labeler ordered them, by the policy that wrote both responses", async () => {
    const [task] = await makeTasks(1);
    const [one, other] = [
      await server.addCheckpoint("policy-1", { stage: "sft" }),
      await server.addCheckpoint("policy-2", { stage: "ppo" }),
    ];
    for (const [place, id] of (task?.responseIds ?? []).entries()) {
      const made = { source: "sampled" as const, author: null, checkpointId: place < 2 ? one : other };
      await server.db.update(responses).set(made).where(eq(responses.id, id));
    }
    const rewardModel = await server.addCheckpoint("rm-1");
    await choose(rewardModel);
    // Of 4, 3, 2 and 1 words: the first two the other way round, the last two tied.
    const rankingId = await rank(task, [2, 1, 3, 3]);
    await isScored(rankingId);
    const score = await scoreOf(rankingId);
    expect(score).toMatchObject({
      rewardModelId: rewardModel,
      pairs: 5,
      agreed: 4,
      wasSeen: false,
      fault: null,
    });
    expect(score?.byPolicy.toSorted((a, b) => a.pairs - b.pairs)).toEqual([
      { policy: one, pairs: 1, agreed: 0 },
      { policy: null, pairs: 4, agreed: 4 },
    ]);
  });

  it("are scored by the model that follows, where the one before did not come to it", async () => {
    const [task] = await makeTasks(1);
    const [first, second] = [await server.addCheckpoint("rm-1"), await server.addCheckpoint("rm-2")];
    await choose(first);
    const start = await stopScoring();
    const rankingId = await rank(task);
    await server.db.update(currentRewardModel).set({ checkpointId: second });
    await start();
    await isScored(rankingId);
    expect(await scoreOf(rankingId)).toMatchObject({ rewardModelId: second });
  });

  it("of a prompt that the model has learned from are scored, and said to say nothing", async () => {
    const [task] = await makeTasks(1);
    await rank(task);
    const { id: datasetId } = await takeSnapshot();
    const checkpointId = await server.addCheckpoint("rm-1");
    const [run] = await server.db
      .insert(runs)
      .values({ number: 1, name: "R", stage: "reward", config: {}, baseCheckpointId: checkpointId })
      .returning({ id: runs.id });
    const runId = run?.id ?? "";
    await server.db.insert(runDatasets).values({ runId, datasetId, role: "data", position: 0 });
    await server.db.update(checkpoints).set({ runId, step: 1 }).where(eq(checkpoints.id, checkpointId));
    await choose(checkpointId);
    const rankingId = await rank(task);
    await isScored(rankingId);
    expect(await scoreOf(rankingId)).toMatchObject({ wasSeen: true });
    expect(await (await asAdmin()).live({ checkpointId })).toMatchObject({
      scored: 1,
      seen: 1,
      series: [{ accuracy: { pairs: 0 } }],
    });
  });
});

describe("where it cannot score", () => {
  it("rankings are released, the reason is told, and a model that works takes over", async () => {
    const [task] = await makeTasks(1);
    const models = await asAdmin();
    await choose(await server.addCheckpoint("broken"));
    const rankingId = await rank(task);
    await waitUntil(async () => (await models.current())?.problem !== null);
    expect(await models.current()).toMatchObject({
      problem: { text: "broken is no reward model." },
      unscored: 1,
    });
    expect(await describeWaiting(server.db)).toEqual({ rewardModel: "broken", waiting: 0, isHindered: true });
    expect((await takeSnapshot()).rowCount).toBe(1);
    await choose(await server.addCheckpoint("rm-1"));
    await isScored(rankingId);
    expect(await models.current()).toMatchObject({ problem: null, unscored: 0 });
  });

  it("a model whose files are gone says so", async () => {
    const [task] = await makeTasks(1);
    const models = await asAdmin();
    const checkpointId = await server.addCheckpoint("rm-1");
    await choose(checkpointId);
    await markDeleted(server.db, checkpointId);
    await rank(task);
    await waitUntil(async () => (await models.current())?.problem !== null);
    expect((await models.current())?.problem?.text).toContain("The files of checkpoint rm-1 were deleted.");
    expect((await takeSnapshot()).rowCount).toBe(1);
  });

  it.each([
    ["[nan]", /no finite score/],
    ["[kill]", /scoring process stopped/],
  ])(
    "a ranking with %s is released as unfit, and the next one is scored",
    { timeout: 30_000 },
    async (text, fault) => {
      const [unfit] = await makeTasks(1, (i) => (i === 0 ? text : (words[i] ?? "")));
      const [fit] = await makeTasks(1);
      await choose(await server.addCheckpoint("rm-1"));
      const first = await rank(unfit);
      const second = await rank(fit);
      await waitUntil(async () => (await scoreOf(second)) !== undefined, 25_000);
      expect((await scoreOf(first))?.fault).toMatch(fault);
      expect(await scoreOf(second)).toMatchObject({ pairs: 6, agreed: 6, fault: null });
      expect(await (await asAdmin()).current()).toMatchObject({ problem: null, unscored: 0 });
    },
  );
});

describe("choosing it", () => {
  it("is recorded, keeps the model's files, and can be undone", async () => {
    const models = await asAdmin();
    const [first, second] = [await server.addCheckpoint("rm-1"), await server.addCheckpoint("rm-2")];
    expect(await models.current()).toBeNull();
    await models.choose({ checkpointId: first });
    await models.choose({ checkpointId: first });
    await models.choose({ checkpointId: second });
    expect(await models.current()).toMatchObject({
      checkpointId: second,
      name: "rm-2",
      chosenBy: "Test Person",
    });
    expect(await describeUse(server.db, second)).toBe("it scores new rankings");
    expect(await describeUse(server.db, first)).toBeNull();
    await models.drop();
    await models.drop();
    expect(await models.current()).toBeNull();
    const recorded = await server.db
      .select({ action: auditLog.action, subject: auditLog.subject, details: auditLog.details })
      .from(auditLog)
      .orderBy(auditLog.id);
    expect(recorded).toEqual([
      { action: "rewardModel.chosen", subject: first, details: { from: null } },
      { action: "rewardModel.chosen", subject: second, details: { from: first } },
      { action: "rewardModel.dropped", subject: second, details: {} },
    ]);
  });

  it("refuses what is no reward model, what is not there, and what is deleted", async () => {
    const models = await asAdmin();
    const policy = await server.addCheckpoint("policy", { stage: "sft" });
    const gone = await server.addCheckpoint("rm-1");
    await markDeleted(server.db, gone);
    await expect(models.choose({ checkpointId: policy })).rejects.toThrow(
      "only a reward model scores answers",
    );
    await expect(models.choose({ checkpointId: gone })).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(models.choose({ checkpointId: "0".repeat(64) })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    expect(await models.current()).toBeNull();
  });

  it("is refused to labeling leads, who are told how much waits; labelers are told nothing", async () => {
    const checkpointId = await server.addCheckpoint("rm-1");
    await choose(checkpointId);
    const lead = await makePerson(server.db, { role: "labeler", grants: ["labelingLead"] });
    const labeler = await makePerson(server.db, { role: "labeler" });
    const models = callerFor(server.db, lead, { env: server.env }).rewardModels;
    const refused = { code: "FORBIDDEN" };
    await expect(models.choose({ checkpointId })).rejects.toMatchObject(refused);
    await expect(models.drop()).rejects.toMatchObject(refused);
    await expect(models.current()).rejects.toMatchObject(refused);
    await expect(models.live({ checkpointId })).rejects.toMatchObject(refused);
    expect(await callerFor(server.db, lead).exchange.waiting()).toMatchObject({ rewardModel: "rm-1" });
    await expect(callerFor(server.db, labeler).exchange.waiting()).rejects.toMatchObject(refused);
  });
});

describe("its accuracy on new rankings", () => {
  it("is told beside the agreement of labelers and what its report promised, with a fall marked", async () => {
    const tasks = await makeTasks(30);
    const policy = await server.addCheckpoint("policy-1", { stage: "sft" });
    await server.db.update(responses).set({ source: "sampled", author: null, checkpointId: policy });
    const checkpointId = await server.addCheckpoint("rm-1");
    await storeReport(checkpointId);
    await choose(checkpointId);
    await stopScoring();
    for (const [at, task] of tasks.entries()) {
      await rank(task, at % 3 === 0 ? asItScores : backwards);
      if (at < 10) await rank(task, backwards);
    }
    for (let task = await findUnscoredTask(server.db); task; task = await findUnscoredTask(server.db)) {
      await storeScores(server.db, task, [4, 3, 2, 1]);
    }
    const live = await (await asAdmin()).live({ checkpointId });
    expect(live).toMatchObject({ scored: 40, seen: 0, faults: { count: 0, newest: null }, cutAt: null });
    expect(live.promised?.share).toBe(1);
    const [all, ofPolicy] = live.series;
    expect(all).toMatchObject({ policy: null, hasFallen: true, accuracy: { pairs: 240, prompts: 30 } });
    expect(all?.accuracy.share).toBeCloseTo(10 / 40, 12);
    expect(ofPolicy).toMatchObject({ policy: { id: policy, name: "policy-1" }, hasFallen: true });
    const forPpo = (config: Record<string, unknown>, role: "score" | "judge" = "score") =>
      checkRewardModels(
        server.db,
        { config, baseCheckpointId: null, rewardModels: [{ checkpointId, role }] },
        server.env.ATTUNE_DATA,
      );
    await expect(forPpo({ acceptFailedProbes: true })).rejects.toMatchObject({
      code: "PRECONDITION_FAILED",
      message: expect.stringMatching(
        /^acceptFallenAccuracy: rm-1 orders 25 % of the pairs .* its report promised 100 %/,
      ),
    });
    await forPpo({ acceptFailedProbes: true, acceptFallenAccuracy: true });
    await forPpo({}, "judge");
    expect(all?.points).toHaveLength(1);
    // Ten tasks were ranked twice; of four of them the first ranking was the other way round.
    expect(all?.points[0]?.agreement?.share).toBeCloseTo(0.6, 12);
    const [score] = await server.db.select().from(rankingScores).limit(1);
    await server.db
      .update(rankings)
      .set({ status: "returned" })
      .where(eq(rankings.id, score?.rankingId ?? ""));
    expect((await (await asAdmin()).live({ checkpointId })).series[0]?.accuracy.pairs).toBe(234);
  });

  it("is empty for a model that was never in use", async () => {
    const checkpointId = await server.addCheckpoint("rm-1");
    expect(await (await asAdmin()).live({ checkpointId })).toEqual({
      scored: 0,
      seen: 0,
      faults: { count: 0, newest: null },
      cutAt: null,
      promised: null,
      series: [
        {
          policy: null,
          accuracy: { share: null, interval: null, pairs: 0, prompts: 0 },
          recent: { share: null, interval: null, pairs: 0, prompts: 0 },
          points: [],
          hasFallen: false,
        },
      ],
    });
  });

  /** It promises to be right on every pair. */
  async function storeReport(checkpointId: string): Promise<void> {
    const report = makeRewardReport({
      prompts: Array.from({ length: 20 }, (_, i) =>
        scoredPrompt({ id: `p${i}`, scores: [2, 1], rankings: [[1, 2]] }),
      ),
      probed: [],
      leaks: null,
      checkpoint: checkpointId,
      madeAt: new Date().toISOString(),
      isHeldOut: true,
      seed: 1,
      withTexts: false,
      resamples: 100,
    });
    await server.db.insert(rewardReports).values({ checkpointId, report, leftOut: 0 });
  }
});
