/** @file Reward models that judge evaluations: in the background, by which scores, and not those that trained a policy. */
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, expect, it } from "vitest";
import { auditLog, checkpoints, runRewardModels, runs } from "@/drizzle/schema";
import { readComparison } from "@/server/domain/evaluation/comparison";
import { readWinRate } from "@/server/domain/evaluation/win-rates";
import { answerAll, makeEvaluation } from "../../helpers/evaluating";
import { waitUntil } from "../../helpers/fake-generation";
import { type RewardServer, rewardServer } from "../../helpers/reward-server";
import { callerFor, makePerson } from "../../helpers/test-context";

let server: RewardServer;
beforeEach(async () => {
  server = await rewardServer({ doubtsIdleMs: 20, idleMs: 200 });
});
afterEach(() => server[Symbol.asyncDispose]());

const texts = ["longer", "shorter", "alike", "broken", "equal"];
/** The fake scorer counts words. */
const said: Record<string, [candidate: string, opponent: string]> = {
  longer: ["four words of text", "two words"],
  shorter: ["one", "three words here"],
  alike: ["one two", "two one"],
  broken: ["[nan]", "one"],
  equal: ["the same", "the same"],
};

it("judges by whose score is higher, leaves out what it cannot score, and takes equal answers for ties", async () => {
  const rewardModelId = await server.addCheckpoint("rm-1");
  const made = await makeEvaluation(server.db, {
    dataFolder: server.dataFolder,
    texts,
    rewardModelIds: [rewardModelId],
  });
  await answerAll(server.db, made, (prompt, policy) => said[prompt]?.[policy === "candidate" ? 0 : 1] ?? "");
  const judgesOf = async () => (await readComparison(server.db, made)).judges;
  await waitUntil(async () => (await judgesOf())[0]?.waiting === 0);
  expect(await judgesOf()).toMatchObject([
    { name: "rm-1", judge: { kind: "rewardModel", rewardModelId }, judged: 3, faults: { count: 1 } },
  ]);
  expect((await judgesOf())[0]?.faults.newest).toContain("no finite score");
  const { overall } = await readWinRate(server.db, {
    ...made,
    judge: { kind: "rewardModel", rewardModelId },
  });
  expect(overall).toMatchObject({
    wins: 1,
    losses: 1,
    ties: 2,
    bothBad: 0,
    judgments: 4,
    judges: 1,
    estimate: 0.5,
  });
  // Nobody else has judged.
  expect((await readWinRate(server.db, { ...made, judge: { kind: "labelers" } })).overall).toBeNull();
});

it("says what keeps a judge from judging, and another one is added and judges", async () => {
  const broken = await server.addCheckpoint("broken");
  const made = await makeEvaluation(server.db, {
    dataFolder: server.dataFolder,
    texts: ["longer"],
    rewardModelIds: [broken],
  });
  await answerAll(server.db, made, (_, policy) => `By ${policy}`);
  const admin = callerFor(server.db, await makePerson(server.db, { role: "admin" }));
  await waitUntil(async () => (await admin.evaluations.hindrances()).length > 0);
  expect(await admin.evaluations.hindrances()).toMatchObject([
    { modelId: broken, message: "broken is no reward model." },
  ]);
  const rewardModelId = await server.addCheckpoint("rm-2");
  await admin.evaluations.addJudge({ batchId: made.batchId, judge: { rewardModelId } });
  const { judges } = await admin.evaluations.comparison(made);
  expect(judges).toMatchObject([{ name: "broken", judged: 0, waiting: 1 }, { name: "rm-2" }]);
  expect(await server.db.$count(auditLog, eq(auditLog.action, "evaluation.judgeAdded"))).toBe(1);
  const auditor = callerFor(server.db, await makePerson(server.db, { grants: ["auditor"] }));
  await expect(
    auditor.evaluations.addJudge({ batchId: made.batchId, judge: { rewardModelId } }),
  ).rejects.toThrow("may not do this");
  expect(await auditor.evaluations.list()).toHaveLength(1);
});

it("is refused where it trained one of the two, or came of the run that did", async () => {
  const [used, sibling, other] = [
    await server.addCheckpoint("rm-used"),
    await server.addCheckpoint("rm-sibling"),
    await server.addCheckpoint("rm-other"),
  ];
  const made = await makeEvaluation(server.db, { dataFolder: server.dataFolder, texts: ["longer"] });
  const run = async (stage: "reward" | "ppo", baseCheckpointId: string) => {
    const [row] = await server.db
      .insert(runs)
      .values({ number: stage === "reward" ? 1 : 2, name: stage, stage, config: {}, baseCheckpointId })
      .returning();
    if (!row) throw new Error("The run was not stored.");
    return row.id;
  };
  const byRun = (id: string, runId: string) =>
    server.db.update(checkpoints).set({ runId, step: 1 }).where(eq(checkpoints.id, id));
  const reward = await run("reward", made.opponentId);
  await byRun(used, reward);
  await byRun(sibling, reward);
  const ppo = await run("ppo", made.opponentId);
  await byRun(made.candidateId, ppo);
  await server.db.insert(runRewardModels).values([
    { runId: ppo, checkpointId: used, role: "score", position: 0 },
    // It only watched.
    { runId: ppo, checkpointId: other, role: "judge", position: 0 },
  ]);
  const admin = callerFor(server.db, await makePerson(server.db, { role: "admin" }));
  const add = (rewardModelId: string) =>
    admin.evaluations.addJudge({ batchId: made.batchId, judge: { rewardModelId } });
  await expect(add(used)).rejects.toThrow("trained “tuned-8” to please “rm-used”: it cannot judge");
  await expect(add(sibling)).rejects.toThrow("“rm-used”, made by the same run as “rm-sibling”");
  await add(other);
  await add(other);
  expect((await readComparison(server.db, made)).judges).toHaveLength(1);
});
