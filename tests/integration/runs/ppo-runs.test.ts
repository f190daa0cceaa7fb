/** @file PPO as a run: what it is started with and refused for, what its worker is offered, and the episodes it tells of. */
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { prompts, rewardReports, runEpisodes, workers } from "@/drizzle/schema";
import { probeKinds } from "@/model/eval/reward/probes";
import { makeRewardReport } from "@/model/eval/reward/report";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { createSnapshot } from "@/server/domain/datasets-make";
import { addPrompt } from "@/server/domain/prompts/add-prompt";
import { keptEpisodeSteps } from "@/server/runs/run-episodes";
import { exportRun } from "@/server/runs/run-export";
import { writeFakeCheckpoint } from "../../helpers/fake-checkpoint";
import { makeOwner } from "../../helpers/prompting";
import { type RunsServer, runsServer } from "../../helpers/runs-server";
import { scoredPrompt } from "../../helpers/scored-prompts";
import { callerFor, makePerson } from "../../helpers/test-context";

const tokenizer = (sha256: string) => ({ "tokenizer.json": { sha256: sha256.repeat(64), sizeBytes: 1 } });

/** A policy, two reward models of its tokenizer and one of another, and prompts. */
async function ppoServer() {
  const server = await runsServer();
  const add = async (name: string, stage: "sft" | "reward", sha256: string) => {
    const folder = await writeFakeCheckpoint(server.dataFolder, name, { stage, files: tokenizer(sha256) });
    return registerCheckpoint(server.db, folder, server.dataFolder);
  };
  const { id: promptsId } = await createSnapshot(server.db, {
    name: "Questions",
    kind: "prompts",
    description: "",
    actorId: null,
    rows: [0, 1, 2].map((i) => ({ content: JSON.stringify({ prompt: `Question ${i}?` }), ownerId: null })),
  });
  return {
    server,
    promptsId,
    policyId: await add("policy", "sft", "a"),
    scoreId: await add("scores", "reward", "a"),
    judgeId: await add("watches", "reward", "a"),
    strangerId: await add("stranger", "reward", "b"),
  };
}
type PpoServer = Awaited<ReturnType<typeof ppoServer>>;

const asPpo = ({ policyId, promptsId, scoreId, judgeId }: PpoServer) => ({
  stage: "ppo" as const,
  baseCheckpointId: policyId,
  datasets: [{ datasetId: promptsId }],
  rewardModels: [{ checkpointId: scoreId }, { checkpointId: judgeId, role: "judge" as const }],
});

const claimPpo = async (server: RunsServer) => {
  const worker = await server.newWorker();
  worker.stages = ["ppo"];
  return { worker, run: await worker.claim() };
};

describe("starting PPO", () => {
  it("gives its worker the reward models, those that score first, and the settings without files", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const runId = await server.newRun(asPpo(made));
    const { run, worker } = await claimPpo(server);
    expect(run).toMatchObject({
      id: runId,
      stage: "ppo",
      base: { id: made.policyId },
      facts: { parent: made.policyId },
      datasets: [{ id: made.promptsId, kind: "prompts", role: "data" }],
      rewardModels: [
        { role: "score", checkpoint: { id: made.scoreId }, lineageBase: null },
        { role: "judge", checkpoint: { id: made.judgeId } },
      ],
      config: { iterations: 40, beta: 0.02, judge: null, ptx: null },
    });
    for (const name of ["model", "rewardModels", "data", "output", "name"])
      expect(run.config).not.toHaveProperty(name);
    expect((await worker.fetchManifest(made.scoreId)).toString()).toContain("scores");
    const other = await worker.send("GET", `checkpoints/${made.strangerId}/files/attune.json`);
    expect(other.status).toBe(404);
    expect((await server.asAdmin.runs.get({ runId })).rewardModels).toMatchObject([
      { name: "scores", role: "score" },
      { name: "watches", role: "judge" },
    ]);
    const { runId: clone } = await server.asAdmin.runs.clone({ runId, config: { beta: 0.1 } });
    expect((await server.asAdmin.runs.get({ runId: clone })).rewardModels).toHaveLength(2);
  });

  it("is refused with the reason, and nothing is put into the queue", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const { scoreId, judgeId, strangerId, policyId } = made;
    const start = (change: Parameters<RunsServer["newRun"]>[0]) =>
      server.newRun({ ...asPpo(made), ...change });
    await expect(start({ rewardModels: [] })).rejects.toThrow("needs a reward model");
    await expect(start({ rewardModels: [{ checkpointId: judgeId, role: "judge" }] })).rejects.toThrow(
      "needs a reward model",
    );
    await expect(start({ rewardModels: [{ checkpointId: policyId }] })).rejects.toThrow("no reward model");
    await expect(start({ rewardModels: [{ checkpointId: strangerId }] })).rejects.toThrow(
      "another tokenizer than policy",
    );
    await expect(start({ baseCheckpointId: scoreId })).rejects.toThrow("A reward model is no base of ppo");
    await expect(start({ datasets: [{ datasetId: server.datasetId }] })).rejects.toThrow(
      "holds demonstrations; ppo takes prompts",
    );
    await expect(start({ config: { beta: 0, adaptiveKl: {} } })).rejects.toThrow(
      "beta: 0 stays 0 however it is steered",
    );
    await expect(start({ config: { judge: "length" } })).rejects.toThrow(
      "judge: there is no part named length",
    );
    await expect(start({ config: { ptx: {} } })).rejects.toThrow("ptx needs a dataset of documents");
    await expect(
      start({ config: { parts: [{ type: "rewardModel", name: "b", weight: 1, model: "/etc" }] } }),
    ).rejects.toThrow(/parts/);
    await expect(server.newRun({ rewardModels: [{ checkpointId: scoreId }] })).rejects.toThrow(
      "sft takes no reward model",
    );
    expect((await server.asAdmin.runs.list({})).runs).toEqual([]);
  });

  it("of several seeds makes runs of their own that know each other, each with its seed and nothing of the others", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const { runs } = server.asAdmin;
    const config = { seeds: 3, seed: 5 };
    const input = { ...asPpo(made), name: "Longer", config };
    const { runId, runIds } = await runs.create(input);
    expect(runIds).toHaveLength(3);
    expect(runIds[0]).toBe(runId);
    const found = await Promise.all(runIds.map((id) => runs.get({ runId: id })));
    expect(found.map(({ name, config: { seed } }) => [name, seed])).toEqual([
      ["Longer, seed 5", 5],
      ["Longer, seed 6", 6],
      ["Longer, seed 7", 7],
    ]);
    for (const run of found) {
      expect(run.config).not.toHaveProperty("seeds");
      expect(run.config.splitSeed).toBe(5);
      expect(run).toMatchObject({ seedsOfId: runId, rewardModels: [{ role: "score" }, { role: "judge" }] });
      expect(run.seeds.map(({ id, seed }) => [id, seed])).toEqual(runIds.map((id, i) => [id, 5 + i]));
    }
    // Each is paused, resumed and cancelled by itself.
    await runs.cancel({ runId: runIds[1] ?? "" });
    expect((await runs.get({ runId })).seeds.map(({ status }) => status)).toEqual([
      "queued",
      "cancelled",
      "queued",
    ]);
    const { runId: alone, runIds: one } = await runs.clone({ runId, config: { beta: 0.1 } });
    expect(one).toEqual([alone]);
    expect(await runs.get({ runId: alone })).toMatchObject({ seedsOfId: null, seeds: [] });
    await expect(runs.create({ ...input, config: { seeds: 21 } })).rejects.toThrow(/seeds/);
    await expect(
      runs.create({ ...input, rewardModels: [{ checkpointId: made.strangerId }] }),
    ).rejects.toThrow("another tokenizer");
    expect((await runs.list({})).runs).toHaveLength(4);
  });

  it("asks before it uses a reward model that failed its probes, and not for one that only watches", async () => {
    const made = await ppoServer();
    await using server = made.server;
    await server.db
      .insert(rewardReports)
      .values({ checkpointId: made.scoreId, leftOut: 0, report: reportThatFails("empty") });
    await expect(server.newRun(asPpo(made))).rejects.toMatchObject({
      code: "PRECONDITION_FAILED",
      message: expect.stringContaining("scores failed 1 of its probes (empty)"),
    });
    await server.newRun({ ...asPpo(made), config: { acceptFailedProbes: true } });
    const [judge, score] = [
      { checkpointId: made.scoreId, role: "judge" as const },
      { checkpointId: made.judgeId },
    ];
    await server.newRun({ ...asPpo(made), rewardModels: [score, judge] });
  });

  it("learns from prompts that may be used now, and a person's go with them", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const { asAdmin, db } = server;
    await expect(asAdmin.datasets.fromPrompts({ name: "None" })).rejects.toThrow(
      "no prompt that may be trained on",
    );
    const owner = await makeOwner(db);
    for (const content of ["Why is it dark?", "What is rain?", "Who reads this?"])
      await addPrompt(db, {
        messages: [{ role: "user", content }],
        source: "labeler",
        ownerId: content.startsWith("Why") ? owner.id : null,
        createdBy: null,
      });
    await db.update(prompts).set({ split: "train" });
    await db.update(prompts).set({ split: "test" }).where(eq(prompts.foldedText, "who reads this?"));
    expect(await asAdmin.datasets.countPrompts()).toBe(2);
    const dataset = await asAdmin.datasets.fromPrompts({ name: "Ours" });
    const { rows } = await asAdmin.datasets.rows({ datasetId: dataset.id });
    expect(rows.map(({ content }) => JSON.parse(content ?? "null"))).toEqual([
      {
        prompt: [{ role: "user", content: "Why is it dark?" }],
        user: expect.stringMatching(/^[0-9a-f]{12}$/),
      },
      { prompt: [{ role: "user", content: "What is rain?" }] },
    ]);
    expect(dataset).toMatchObject({ kind: "prompts", rowCount: 2 });
  });
});

/** Of a model that scores this degenerate response above every real one, and no other. */
function reportThatFails(kind: string) {
  const prompts = Array.from({ length: 10 }, (_, at) =>
    scoredPrompt({ id: String(at), scores: [2, 0], rankings: [[1, 2]] }),
  );
  const probed = prompts.map((_, prompt) => ({
    prompt,
    scores: probeKinds.map((each) => ({ kind: each, text: each, score: each === kind ? 9 : -9 })),
  }));
  const facts = { leaks: null, checkpoint: null, madeAt: null, isHeldOut: true, seed: 0, resamples: 20 };
  return makeRewardReport({ prompts, probed, ...facts, withTexts: false });
}

const episode = (response: string) => ({
  prompt: "Why?",
  response,
  score: 0.5,
  parts: { rewardModel: 0.5 },
  reward: 0.4,
  kl: 1.5,
  isEnded: true,
  tokens: ["Be", "cause\0"],
  tokenKl: [0.5, 1],
  tokenValues: [0.1, 0.2],
});
const told = (sequence: number, step: number, source: object | null = null) => ({
  sequence,
  type: "episodes",
  step,
  episodes: [{ episode: episode(`at ${step}`), source }],
});

describe("episodes", () => {
  it("are read by step, kept for the first and the newest ones, and replaced by a step computed again", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const runId = await server.newRun(asPpo(made));
    const { worker, run } = await claimPpo(server);
    const last = keptEpisodeSteps + 5;
    const events = Array.from({ length: last }, (_, i) => told(i + 1, i + 1));
    expect((await worker.events(run, events)).status).toBe(200);
    const at = (step: number | null) => server.asAdmin.runs.episodes({ runId, step });
    const newest = await at(null);
    expect(newest.steps).toEqual([1, ...Array.from({ length: keptEpisodeSteps }, (_, i) => i + 6)]);
    expect(newest.episodes).toMatchObject([
      { place: 0, response: `at ${last}`, kl: 1.5, tokens: ["Be", "cause\ufffd"], tokenKl: [0.5, 1] },
    ]);
    expect([(await at(4)).step, (await at(7)).step, (await at(0)).step]).toEqual([1, 7, 1]);
    const again = { ...told(last + 1, 7), episodes: [{ episode: episode("again"), source: null }] };
    expect((await worker.events(run, [again])).status).toBe(200);
    expect((await at(7)).episodes.map(({ response }) => response)).toEqual(["again"]);
  });

  it("are exported with all that is known of each token, as far as their worker told it", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const runId = await server.newRun(asPpo(made));
    const { worker, run } = await claimPpo(server);
    const withLogprobs = { ...episode("new"), tokenLogprobs: [-0.5, -2] };
    const newer = { ...told(2, 2), episodes: [{ episode: withLogprobs, source: null }] };
    expect((await worker.events(run, [told(1, 1), newer])).status).toBe(200);
    const { parts, fileName } = await exportRun(server.db, { runId, content: "episodes", format: "jsonl" });
    expect(fileName).toBe("run-1-episodes.jsonl");
    const lines: string[] = [];
    for await (const part of parts) lines.push(part);
    const shared = { prompt: "Why?", score: 0.5, parts: { rewardModel: 0.5 }, klK3: 1.5, kl: [0.5, 1] };
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ ...shared, step: 1, place: 0, response: "at 1", values: [0.1, 0.2] }),
      expect.objectContaining({ ...shared, step: 2, response: "new", logprobs: [-0.5, -2] }),
    ]);
    const { tokenLogprobs } = { tokenLogprobs: [-0.5] };
    const short = {
      ...told(3, 3),
      episodes: [{ episode: { ...episode("x"), tokenLogprobs }, source: null }],
    };
    expect((await worker.events(run, [short])).status).toBe(400);
  });

  it("are erased with the row their prompt was taken from", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const runId = await server.newRun(asPpo(made));
    const { worker, run } = await claimPpo(server);
    const source = (position: number) => ({ datasetId: made.promptsId, position });
    await worker.events(run, [told(1, 1, source(0)), told(2, 2, null)]);
    await worker.end(run, "release", { outcome: "paused", reason: "KL" });
    await server.asAdmin.runs.cancel({ runId });
    await server.asAdmin.datasets.delete({ datasetId: made.promptsId });
    expect((await server.asAdmin.runs.episodes({ runId })).steps).toEqual([2]);
    expect(await server.db.$count(runEpisodes)).toBe(1);
  });

  it("of other lengths than their tokens are refused, and so is a metric without a name of its own", async () => {
    const made = await ppoServer();
    await using server = made.server;
    await server.newRun(asPpo(made));
    const { worker, run } = await claimPpo(server);
    const uneven = { ...episode("x"), tokenKl: [1] };
    const events = [{ ...told(1, 1), episodes: [{ episode: uneven, source: null }] }];
    expect((await worker.events(run, events)).status).toBe(400);
    const metrics = (values: object) => [{ sequence: 1, type: "metrics", step: 1, values }];
    expect((await worker.events(run, metrics({ "part.": 1 }))).status).toBe(400);
    expect((await worker.events(run, metrics({ "part.my rules": 1 }))).status).toBe(200);
  });
});

describe("a guard rail", () => {
  it("pauses the run with its finding; a person goes on, or ends it with an earlier checkpoint", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const { asAdmin } = server;
    const runId = await server.newRun(asPpo(made));
    const { worker, run } = await claimPpo(server);
    const early = await worker.upload(run, { step: 2, isBest: false, weights: "early" });
    const late = await worker.upload(run, { step: 4, isBest: true, weights: "late" });
    const text = "Responses are 12.0 nats from the reference on average.";
    await worker.events(run, [
      { sequence: 1, type: "incident", what: "guardRail", rule: "klBudget", text, step: 4 },
      { sequence: 2, type: "metrics", step: 4, values: { heldOutScore: 0.5, heldOutKl: 2 } },
    ]);
    const [listed] = (await asAdmin.runs.list({})).runs;
    expect(listed?.best).toEqual({ step: 4, validationLoss: null, heldOutScore: 0.5, heldOutKl: 2 });
    await worker.end(run, "release", { outcome: "paused", reason: text });
    expect(await asAdmin.runs.get({ runId })).toMatchObject({ status: "paused", reason: text });
    const { rows } = await asAdmin.runs.timeline({ runId, kinds: ["incident"] });
    expect(rows).toMatchObject([{ step: 4, payload: { what: "guardRail", rule: "klBudget", text } }]);

    await asAdmin.runs.resume({ runId });
    await expect(asAdmin.runs.endWith({ runId, checkpointId: early })).rejects.toMatchObject({
      code: "CONFLICT",
    });
    const again = await worker.claim();
    expect(again.resume?.id).toBe(late);
    await worker.end(again, "release", { outcome: "paused", reason: text });
    await expect(asAdmin.runs.endWith({ runId, checkpointId: made.policyId })).rejects.toThrow(
      "has no such checkpoint",
    );
    await asAdmin.runs.endWith({ runId, checkpointId: early });
    const ended = await asAdmin.runs.get({ runId });
    expect(ended).toMatchObject({ status: "finished", reason: "Its result is the checkpoint of step 2." });
    expect(ended.checkpoints.map(({ id, isBest }) => [id, isBest])).toEqual([
      [late, false],
      [early, true],
    ]);
    const audit = await asAdmin.audit.list({ action: "run.ended" });
    expect(audit.rows).toMatchObject([{ subject: runId, details: { checkpointId: early, step: 2 } }]);
  });
});

describe("how long iterations took", () => {
  const phases = { generationSeconds: 8, scoringSeconds: 2, referenceSeconds: 1, valueSeconds: 1 };
  const iteration = (step: number, update: number) => ({
    sequence: step,
    type: "metrics",
    step,
    values: { ...phases, updateSeconds: update, responseTokens: 10 * step },
  });

  it("is told of this machine's runs, as the mean of their last iterations, and asked of admins", async () => {
    const made = await ppoServer();
    await using server = made.server;
    const runId = await server.newRun(asPpo(made));
    const { worker, run } = await claimPpo(server);
    await worker.events(
      run,
      [1, 2, 3, 4, 5, 6].map((step) => iteration(step, step === 1 ? 600 : step)),
    );
    expect(await server.asAdmin.runs.ppoTimings()).toEqual([]);
    await server.db.update(workers).set({ kind: "embedded" });
    const [timing, ...others] = await server.asAdmin.runs.ppoTimings();
    expect(others).toEqual([]);
    expect(timing).toMatchObject({
      runId,
      number: 1,
      baseCheckpointId: made.policyId,
      rewardModels: 2,
      config: { episodesPerIteration: 64 },
      responseTokens: 40,
      seconds: { generation: 8, scoring: 2, reference: 1, value: 1, update: 4 },
    });
    expect(timing?.promptBytes).toBeGreaterThan(20);
    const labeler = await makePerson(server.db, { role: "labeler" });
    await expect(callerFor(server.db, labeler).runs.ppoTimings()).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });
});
