/** @file Reward models on the server: scores by process, measuring on rankings, reports with their texts, the API. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { POST } from "@/app/api/v1/score/route";
import {
  checkpoints,
  labelerGroups,
  prompts,
  rankings,
  rewardReports,
  runDatasets,
  runs,
} from "@/drizzle/schema";
import { makeRewardReport } from "@/model/eval/reward/report";
import { resetLimits } from "@/server/auth/limits";
import { createApiKey } from "@/server/domain/api-keys";
import { createSnapshot } from "@/server/domain/datasets-make";
import { importFile } from "@/server/domain/exchange/imports";
import { readFailedProbes } from "@/server/domain/reward-models/reward-models";
import { mostResponses } from "@/server/domain/reward-models/score-texts";
import { waitUntil } from "../../helpers/fake-generation";
import { type RewardServer, rewardServer } from "../../helpers/reward-server";
import { scoredPrompt } from "../../helpers/scored-prompts";
import { callerFor, makePerson } from "../../helpers/test-context";

let server: RewardServer;
beforeEach(async () => {
  resetLimits();
  server = await rewardServer();
});
afterEach(() => server[Symbol.asyncDispose]());

const asAdmin = async () => {
  const admin = await makePerson(server.db, { role: "admin" });
  return { admin, models: callerFor(server.db, admin, { env: server.env }).rewardModels };
};
const question = [{ role: "user" as const, content: "Why?" }];

/** Two labelers of each prompt; the fake scorer likes long responses, and so do they, but for every fourth prompt. */
async function importRankings(count: number, from = 0): Promise<void> {
  const lines = Array.from({ length: count }, (_, at) =>
    JSON.stringify({
      prompt: `Question number ${from + at}?`,
      responses: [{ text: "short" }, { text: "a much longer response" }, { text: "two words" }],
      rankings: [
        { ranks: at % 4 === 0 ? [1, 3, 2] : [3, 1, 2], labeler: "ann" },
        { ranks: at % 4 === 0 ? [1, 2, 3] : [3, 1, 2], labeler: "bob" },
      ],
    }),
  );
  const file = path.join(server.dataFolder, "rankings.jsonl");
  await writeFile(file, lines.join("\n"));
  await importFile(server.db, { file, layout: null, actorId: null });
}

async function measured(checkpointId: string) {
  const { models } = await asAdmin();
  await models.evaluate({ checkpointId });
  await waitUntil(async () => (await models.evaluation({ checkpointId }))?.state !== "running");
  expect(await models.evaluation({ checkpointId })).toBeNull();
  return models.get({ checkpointId });
}

describe("scoring by hand", () => {
  it("gives each response its score, token by token", async () => {
    const checkpointId = await server.addCheckpoint("rm-1");
    const { models } = await asAdmin();
    const { scores } = await models.score({ checkpointId, prompt: question, responses: ["one two", ""] });
    expect(scores).toEqual([
      {
        score: 2,
        deviation: null,
        memberScores: null,
        tokens: 2,
        cutTokens: 0,
        perToken: [
          { text: "one ", score: 1 },
          { text: "two ", score: 2 },
        ],
      },
      { score: 0, deviation: null, memberScores: null, tokens: 0, cutTokens: 0, perToken: [] },
    ]);
  });

  it("keeps one model in memory, and none when nobody asks", async () => {
    await server[Symbol.asyncDispose]();
    server = await rewardServer({ idleMs: 50 });
    const [first, second] = [await server.addCheckpoint("rm-1"), await server.addCheckpoint("rm-2")];
    const { scoring } = server.services;
    const request = { prompt: question, responses: ["a"], withTokens: false };
    await Promise.all([
      scoring.score(first, request),
      scoring.score(second, request),
      scoring.score(first, request),
    ]);
    expect(scoring.status?.checkpointId).toBe(first);
    await waitUntil(() => scoring.status === null);
    expect(await scoring.score(second, request)).toMatchObject([{ score: 1 }]);
  });

  it("a process that dies fails its request with a remedy, and the next request starts another", async () => {
    const checkpointId = await server.addCheckpoint("rm-1");
    const { models } = await asAdmin();
    await expect(models.score({ checkpointId, prompt: question, responses: ["[kill]"] })).rejects.toThrow(
      "The scoring process stopped. Nothing was changed; score again.",
    );
    expect(await models.score({ checkpointId, prompt: question, responses: ["a"] })).toMatchObject({
      scores: [{ score: 1 }],
    });
  });

  it("refuses what is no reward model, what is not there, and prompts that end with an answer", async () => {
    const policy = await server.addCheckpoint("policy", { stage: "sft" });
    const broken = await server.addCheckpoint("broken");
    const { models } = await asAdmin();
    const score = (
      checkpointId: string,
      prompt: { role: "user" | "assistant"; content: string }[] = question,
    ) => models.score({ checkpointId, prompt, responses: ["a"] });
    await expect(score(policy)).rejects.toThrow("only a reward model scores answers");
    await expect(score("0".repeat(64))).rejects.toThrow("There is no reward model");
    await expect(score(broken)).rejects.toThrow("broken is no reward model.");
    await expect(score(broken, [{ role: "assistant", content: "Hi" }])).rejects.toThrow(
      "must end with a user's turn",
    );
    await expect(
      models.score({ checkpointId: broken, prompt: question, responses: ["x".repeat(100_001)] }),
    ).rejects.toThrow("100,000 characters");
    await expect(
      models.score({ checkpointId: broken, prompt: question, responses: Array(mostResponses + 1).fill("x") }),
    ).rejects.toThrow(/responses/);
  });

  it("is refused to labelers and labeling leads", async () => {
    const checkpointId = await server.addCheckpoint("rm-1");
    const lead = await makePerson(server.db, { role: "labeler", grants: ["labelingLead"] });
    const models = callerFor(server.db, lead, { env: server.env }).rewardModels;
    const refused = { code: "FORBIDDEN" };
    await expect(models.score({ checkpointId, prompt: question, responses: ["a"] })).rejects.toMatchObject(
      refused,
    );
    await expect(models.list()).rejects.toMatchObject(refused);
    await expect(models.evaluate({ checkpointId })).rejects.toMatchObject(refused);
    expect(server.services.scoring.status).toBeNull();
  });
});

describe("measuring on this server's rankings", () => {
  it("keeps a report with both groups apart, whose texts are read from the rankings", async () => {
    await importRankings(12);
    const [group] = await server.db
      .insert(labelerGroups)
      .values({ name: "Judges", isHeldOut: true })
      .returning({ id: labelerGroups.id });
    const pseudonyms = await server.db.selectDistinct({ pseudonym: rankings.pseudonym }).from(rankings);
    const [judge] = pseudonyms.map(({ pseudonym }) => pseudonym).toSorted();
    await server.db
      .update(rankings)
      .set({ groupId: group?.id ?? null })
      .where(eq(rankings.pseudonym, judge ?? ""));
    const checkpointId = await server.addCheckpoint("rm-1");
    const { reports, measured: summary } = await measured(checkpointId);
    const [view] = reports;
    expect(view).toMatchObject({ origin: "server", leftOut: 0, by: "Test Person" });
    expect(view?.report).toMatchObject({
      prompts: 12,
      responses: 36,
      isHeldOut: null,
      leaks: null,
      main: { rankings: 12, labelers: 1 },
      heldOutGroup: { rankings: 12, labelers: 1 },
    });
    // The fake likes forty repeated words best of all.
    expect(summary?.passesProbes).toBe(false);
    expect(await readFailedProbes(server.db, { checkpointId, dataFolder: server.dataFolder })).toContain(
      "repeatedWord",
    );
    const texts = view?.texts ?? [];
    expect(texts[0]).toMatchObject({ chosen: "short", rejected: "a much longer response" });
    expect(texts[0]?.prompt.at(-1)?.content).toMatch(/^Question number \d+\?$/);
    const [stored] = await server.db.select().from(rewardReports);
    expect(JSON.stringify(stored?.report)).not.toContain("longer response");
  });

  it("shows no text of a prompt that may not be used any more", async () => {
    await importRankings(8);
    const checkpointId = await server.addCheckpoint("rm-1");
    await measured(checkpointId);
    await server.db.update(prompts).set({ status: "erased" });
    const { models } = await asAdmin();
    const { reports } = await models.get({ checkpointId });
    expect(reports[0]?.report.disagreements.length).toBeGreaterThan(0);
    expect(reports[0]?.texts.every((each) => each === null)).toBe(true);
  });

  it("leaves out prompts of the run's data, and names shared responses", async () => {
    await importRankings(10);
    const checkpointId = await server.addCheckpoint("rm-1");
    const dataset = await createSnapshot(server.db, {
      name: "D",
      description: "",
      kind: "rankings",
      actorId: null,
      rows: [0, 1, 2].map((at) => ({
        content: JSON.stringify({
          prompt: `  question NUMBER ${at}`,
          responses: [
            { text: "x", rank: 1 },
            { text: "y", rank: 2 },
          ],
        }),
        ownerId: null,
      })),
    });
    const [run] = await server.db
      .insert(runs)
      .values({ number: 1, name: "R", stage: "reward", config: {}, baseCheckpointId: checkpointId })
      .returning({ id: runs.id });
    const runId = run?.id ?? "";
    await server.db.insert(runDatasets).values({ runId, datasetId: dataset.id, role: "data", position: 0 });
    await server.db.update(checkpoints).set({ runId, step: 1 }).where(eq(checkpoints.id, checkpointId));
    const { reports } = await measured(checkpointId);
    expect(reports[0]).toMatchObject({
      leftOut: 3,
      report: { prompts: 7, isHeldOut: true, leaks: { prompts: 0, responses: 0 } },
    });
    expect((await (await asAdmin()).models.list())[0]?.run).toMatchObject({ number: 1, step: 1 });
  });

  it("lets texts be scored by the same model meanwhile, and refuses another one", async () => {
    await importRankings(40);
    const [first, second] = [await server.addCheckpoint("rm-1"), await server.addCheckpoint("rm-2")];
    const { models } = await asAdmin();
    await models.evaluate({ checkpointId: first });
    const score = (checkpointId: string) =>
      models.score({ checkpointId, prompt: question, responses: ["a"] });
    const inBetween = await Promise.allSettled([
      score(first),
      score(second),
      models.evaluate({ checkpointId: second }),
    ]);
    expect(inBetween.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(inBetween[1]).toMatchObject({
      reason: { code: "CONFLICT", message: expect.stringContaining("is being measured") },
    });
    await waitUntil(async () => (await models.evaluation({ checkpointId: second }))?.state === "failed");
    await waitUntil(async () => (await models.evaluation({ checkpointId: first })) === null);
    expect((await models.get({ checkpointId: first })).reports).toHaveLength(1);
    expect(await score(second)).toMatchObject({ scores: [{ score: 1 }] });
  });

  it("is stopped, and keeps nothing", async () => {
    await importRankings(40);
    const checkpointId = await server.addCheckpoint("rm-1");
    const { models } = await asAdmin();
    await models.evaluate({ checkpointId });
    await models.cancelEvaluation({ checkpointId });
    expect(await models.evaluation({ checkpointId })).toBeNull();
    expect(await server.db.select().from(rewardReports)).toEqual([]);
  });

  it("says what to do where nothing is ranked, and why it failed", async () => {
    const broken = await server.addCheckpoint("broken");
    const { models } = await asAdmin();
    await expect(models.evaluate({ checkpointId: broken })).rejects.toThrow("Nothing is ranked yet.");
    await importRankings(2);
    await models.evaluate({ checkpointId: broken });
    await waitUntil(async () => (await models.evaluation({ checkpointId: broken }))?.state === "failed");
    expect(await models.evaluation({ checkpointId: broken })).toMatchObject({
      reason: "broken is no reward model.",
    });
    await models.cancelEvaluation({ checkpointId: broken });
    expect(await models.evaluation({ checkpointId: broken })).toBeNull();
    await expect(models.evaluate({ checkpointId: "0".repeat(64) })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });
});

describe("the report of a run", () => {
  it("is read from the checkpoint, its texts from the run's dataset", async () => {
    const dataset = await createSnapshot(server.db, {
      name: "D",
      description: "",
      kind: "rankings",
      actorId: null,
      rows: [
        {
          content: JSON.stringify({
            prompt: "Which?",
            responses: [
              { text: "this", rank: 1 },
              { text: "that", rank: 2 },
            ],
          }),
          ownerId: null,
        },
      ],
    });
    const report = makeRewardReport({
      prompts: [
        {
          ...scoredPrompt({ scores: [0, 1], rankings: [[1, 2]] }),
          place: { file: `${dataset.id}.jsonl`, line: 1 },
        },
      ],
      probed: [],
      leaks: null,
      checkpoint: null,
      madeAt: null,
      isHeldOut: true,
      seed: 1,
      withTexts: false,
    });
    const checkpointId = await server.addCheckpoint("rm-1");
    const file = path.join(server.dataFolder, "models", "rm-1", "reward-report.json");
    await writeFile(file, JSON.stringify(report));
    const { models } = await asAdmin();
    expect((await models.get({ checkpointId })).reports).toMatchObject([
      {
        origin: "run",
        texts: [{ prompt: [{ role: "user", content: "Which?" }], chosen: "this", rejected: "that" }],
      },
    ]);
    await writeFile(file, "{}");
    const damaged = await models.get({ checkpointId });
    expect(damaged).toMatchObject({ reports: [], problem: expect.stringContaining("damaged") });
  });
});

describe("POST /v1/score", () => {
  async function post(body: unknown, { role = "admin" as const }: { role?: "admin" | "user" } = {}) {
    const person = await makePerson(server.db, { role });
    const { key } = await createApiKey(server.db, { userId: person.id, name: "k", consent: false });
    const response = await POST(
      new Request("http://test/api/v1/score", {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
    return { status: response.status, body: await response.json() };
  }
  const body = { model: "rm-1", messages: question, responses: ["one two", "three"] };

  it("gives the deviation of an ensemble beside its score", async () => {
    await server.addCheckpoint("ensemble");
    const { body: given } = await post({ ...body, model: "ensemble", responses: ["sure", "or [split]"] });
    expect(given).toMatchObject({
      data: [
        { score: 1, deviation: 0 },
        { score: 2, deviation: Math.SQRT1_2 },
      ],
    });
  });

  it("scores by name, with token scores where they are asked for", async () => {
    const checkpoint = await server.addCheckpoint("rm-1");
    expect(await post(body)).toEqual({
      status: 200,
      body: {
        object: "list",
        model: "rm-1",
        checkpoint,
        data: [
          { object: "score", index: 0, score: 2, tokens: 2, cut_tokens: 0 },
          { object: "score", index: 1, score: 1, tokens: 1, cut_tokens: 0 },
        ],
      },
    });
    const detailed = await post({ ...body, model: checkpoint, responses: ["a"], token_scores: true });
    expect(detailed.body.data[0].token_scores).toEqual([{ token: "a ", score: 1 }]);
  });

  it("refuses keys of people who manage no models, other models, and bodies that do not fit", async () => {
    await server.addCheckpoint("rm-1");
    await server.addCheckpoint("policy", { stage: "sft" });
    expect(await post(body, { role: "user" })).toMatchObject({ status: 403 });
    expect(await post({ ...body, model: "policy" })).toMatchObject({ status: 400 });
    expect(await post({ ...body, model: "none" })).toMatchObject({ status: 404 });
    expect(await post({ ...body, responses: [] })).toMatchObject({
      status: 400,
      body: { error: { param: "responses" } },
    });
    expect(await post({ ...body, messages: [{ role: "robot", content: "" }] })).toMatchObject({
      status: 400,
      body: { error: { param: "messages.0.role" } },
    });
  });
});
