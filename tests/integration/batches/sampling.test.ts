/** @file Responses for labelers: K different ones, spread over the policies, behind chat, and on through a restart. */
import path from "node:path";
import { and, eq } from "drizzle-orm";
import { describe, expect, it, vi } from "vitest";
import { prompts, rankingTasks, responses, taskResponses } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import type { NewBatchInput } from "@/server/domain/batches/batch-schema";
import { listBatchTasks } from "@/server/domain/batches/batch-tasks";
import { BackgroundSampling } from "@/server/domain/batches/sample-responses";
import { planPolicies } from "@/server/domain/batches/sampling-queue";
import { steerBatch } from "@/server/domain/batches/steer-batch";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { Generation } from "@/server/generation/generation";
import { log } from "@/server/log";
import { projectRoot } from "@/server/project-root";
import { addBatch, addPrompts, tasksOf } from "../../helpers/batches";
import { chatServer } from "../../helpers/chat-server";
import { finished, newChatter, send } from "../../helpers/chatting";
import { writeFakeCheckpoint } from "../../helpers/fake-checkpoint";
import { waitUntil } from "../../helpers/fake-generation";
import { fakeAnswer } from "../../helpers/fake-generator";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { testDatabase } from "../../helpers/test-database";
import { tinyModelFolder } from "../../helpers/tiny-model";

type Batch = Partial<NewBatchInput>;

async function batchOf(server: { db: Db; dataFolder: string }, texts: string[], batch: Batch) {
  const promptIds = await addPrompts(server.db, texts);
  const made = await addBatch(
    server.db,
    { task: "ranking", k: 4, prompts: { by: "ids", promptIds }, ...batch },
    server.dataFolder,
  );
  return { ...made, promptIds };
}

const responsesOf = (db: Db, taskId: string) =>
  db
    .select({ response: responses, position: taskResponses.position })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(eq(taskResponses.taskId, taskId))
    .orderBy(taskResponses.position);

const areSettled = async (db: Db, batchId: string) =>
  (await tasksOf(db, batchId)).every(({ status }) => status !== "sampling");

describe("sampling in the background", () => {
  it("opens tasks with K different responses of several policies, each with what made it", async () => {
    await using s = await chatServer();
    const second = await registerCheckpoint(
      s.db,
      await writeFakeCheckpoint(s.dataFolder, "fake-2"),
      s.dataFolder,
    );
    const policies = [s.checkpointId, second];
    const { batchId } = await batchOf(s, ["one [seeded=1]", "two [seeded=1]"], { k: 5, policies });
    await waitUntil(() => areSettled(s.db, batchId));
    const tasks = await tasksOf(s.db, batchId);
    expect(tasks.map(({ status, openPlaces }) => [status, openPlaces])).toEqual([
      ["open", 1],
      ["open", 1],
    ]);
    const sampled = (await Promise.all(tasks.map(({ id }) => responsesOf(s.db, id)))).flat();
    expect(sampled.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    expect(new Set(sampled.map(({ response }) => response.seed)).size).toBe(10);
    // 5 + 5 over two policies: exactly half each, although 5 is odd.
    for (const id of policies) {
      expect(sampled.filter(({ response }) => response.checkpointId === id)).toHaveLength(5);
    }
    const [{ response } = { response: null }] = sampled;
    expect(response).toMatchObject({ source: "sampled", isFinished: true });
    expect(response?.sampling).toMatchObject({ temperature: 1, topP: 1, topK: 0, seed: response?.seed });
    expect(response?.tokenIds).toHaveLength(12);
    expect(response?.logprobs).toHaveLength(12);
  });

  it("counts the conversation's answer as one of the K, and excludes a task whose responses are all the same", async () => {
    await using s = await chatServer();
    const [told] = await addPrompts(s.db, ["told [seeded=1]"]);
    const [same] = await addPrompts(s.db, ["always the same"]);
    await s.db.insert(responses).values({
      promptId: told ?? "",
      source: "conversation",
      text: "disliked",
      checkpointId: s.checkpointId,
    });
    const { batchId } = await addBatch(
      s.db,
      {
        task: "ranking",
        k: 4,
        policies: [s.checkpointId],
        prompts: { by: "ids", promptIds: [told ?? "", same ?? ""] },
      },
      s.dataFolder,
    );
    await waitUntil(() => areSettled(s.db, batchId));
    const [first] = await tasksOf(s.db, batchId);
    const sources = (await responsesOf(s.db, first?.id ?? "")).map(({ response }) => response.source);
    expect(sources.sort()).toEqual(["conversation", "sampled", "sampled", "sampled"]);
    const { tasks } = await listBatchTasks(s.db, { batchId, status: "excluded", cursor: null, limit: 10 });
    expect(tasks.map(({ reasons }) => reasons)).toEqual([
      ["Only 1 different response came of 4: the policies repeat themselves here."],
    ]);
  });

  it("goes on after a stop with what was there, and leaves paused batches and withdrawn prompts alone", async () => {
    await using s = await chatServer();
    await s.chat.sampling[Symbol.asyncDispose]();
    const { batchId, lead, promptIds } = await batchOf(
      s,
      ["slow [seeded=1] [delay=20]", "later [seeded=1] [delay=1000]"],
      {
        policies: [s.checkpointId],
        k: 9,
      },
    );
    const count = () => s.db.$count(responses);
    const options = { db: s.db, generation: s.chat.generation, log, idleForMs: 20 };
    const first = new BackgroundSampling(options);
    const [slow, later] = await tasksOf(s.db, batchId);
    await waitUntil(async () => (await responsesOf(s.db, slow?.id ?? "")).length > 0);
    await first[Symbol.asyncDispose]();
    const kept = (await responsesOf(s.db, slow?.id ?? "")).map(({ response }) => response.id);
    const before = await count();
    await s.db
      .update(prompts)
      .set({ status: "reported" })
      .where(eq(prompts.id, promptIds[1] ?? ""));
    await steerBatch(s.db, { batchId, steer: "pause", actorId: lead.id });
    await using _second = new BackgroundSampling(options);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(await count()).toBe(before);
    await steerBatch(s.db, { batchId, steer: "open", actorId: lead.id });
    const isOpen = and(eq(rankingTasks.id, slow?.id ?? ""), eq(rankingTasks.status, "open"));
    await waitUntil(async () => (await s.db.$count(rankingTasks, isOpen)) === 1);
    const ids = (await responsesOf(s.db, slow?.id ?? "")).map(({ response }) => response.id);
    expect(ids).toHaveLength(9);
    expect(ids).toEqual(expect.arrayContaining(kept));
    const [after] = await s.db
      .select()
      .from(rankingTasks)
      .where(eq(rankingTasks.id, later?.id ?? ""));
    expect(after?.status).toBe("sampling");
  });

  it("waits after an error and says which policy cannot answer, while other batches go on", async () => {
    await using s = await chatServer();
    const broken = await registerCheckpoint(
      s.db,
      await writeFakeCheckpoint(s.dataFolder, "broken-1"),
      s.dataFolder,
    );
    const { batchId } = await batchOf(s, ["a [seeded=1]"], { policies: [broken], priority: 5 });
    const other = await batchOf(s, ["b [seeded=1]"], { policies: [s.checkpointId] });
    await waitUntil(() => areSettled(s.db, other.batchId));
    expect((await tasksOf(s.db, batchId)).map(({ status }) => status)).toEqual(["sampling"]);
    await waitUntil(() => s.chat.sampling.status().hindrances.length > 0);
    const [hindrance] = s.chat.sampling.status().hindrances;
    expect(hindrance).toMatchObject({ checkpointId: broken });
    expect(hindrance?.message).toContain("cannot answer");
    expect(hindrance?.nextTryAt.getTime()).toBeGreaterThan(hindrance?.since.getTime() ?? 0);
  });

  it("excludes a prompt that the policy refuses again and again, with the reason", async () => {
    await using s = await chatServer();
    const { batchId } = await batchOf(s, ["x [fail=2]"], { policies: [s.checkpointId] });
    await waitUntil(() => areSettled(s.db, batchId), 20_000);
    const { tasks } = await listBatchTasks(s.db, { batchId, status: null, cursor: null, limit: 10 });
    expect(tasks[0]?.reasons).toEqual(["The policy does not take this prompt: the fake was asked to fail"]);
  }, 30_000);

  it("draws nothing on another engine while somebody chats", async () => {
    await using s = await chatServer();
    const other = await registerCheckpoint(
      s.db,
      await writeFakeCheckpoint(s.dataFolder, "fake-2"),
      s.dataFolder,
    );
    const chatter = await newChatter(s.db);
    const sent = await send(chatter.call, "long talk [tokens=60] [delay=20]");
    await waitUntil(() => s.chat.generation.presence.isElsewhere(other));
    const { batchId } = await batchOf(s, ["bg [seeded=1]"], { policies: [other] });
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await s.db.$count(responses)).toBe(0);
    expect(s.chat.generation.presence.isElsewhere(other)).toBe(true);
    await finished(chatter.call, sent.answer.id);
    await waitUntil(() => areSettled(s.db, batchId));
    expect((await tasksOf(s.db, batchId)).map(({ status }) => status)).toEqual(["open"]);
  });

  it("goes on where it was when a chat on another engine cuts it: no token is drawn twice", async () => {
    await using s = await chatServer();
    const other = await registerCheckpoint(
      s.db,
      await writeFakeCheckpoint(s.dataFolder, "fake-2"),
      s.dataFolder,
    );
    // What it is cut after are tokens, not the start of an engine.
    await s.chat.generation.load(other);
    const asked = vi.spyOn(s.chat.generation, "generate");
    const drawnBefore = () =>
      asked.mock.calls.flatMap(([, { priority, begun }]) => (priority === "background" ? [begun ?? []] : []));
    const question = "bg [seeded=1] [tokens=60] [delay=30]";
    const { batchId } = await batchOf(s, [question], { policies: [other] });
    await waitUntil(() => drawnBefore().length === 4);
    await new Promise((resolve) => setTimeout(resolve, 400));
    const chatter = await newChatter(s.db);
    const sent = await send(chatter.call, "short talk");
    await finished(chatter.call, sent.answer.id);
    await waitUntil(() => areSettled(s.db, batchId));
    const goneOn = drawnBefore().slice(4);
    expect(goneOn.length).toBeGreaterThanOrEqual(4);
    expect(Math.max(...goneOn.map(({ length }) => length))).toBeGreaterThan(0);
    const [task] = await tasksOf(s.db, batchId);
    const made = (await responsesOf(s.db, task?.id ?? "")).map(({ response }) => response);
    expect(made).toHaveLength(4);
    for (const { text, seed, tokenIds, logprobs } of made) {
      expect(text).toBe(fakeAnswer(question, seed ?? -1));
      expect([tokenIds?.length, logprobs?.length]).toEqual([60, 60]);
    }
  });

  it("samples from a real model", async () => {
    await using database = await testDatabase();
    await using folder = await temporaryFolder();
    const { db } = database;
    const checkpointId = await registerCheckpoint(db, tinyModelFolder, folder.path);
    const { batchId } = await batchOf({ db, dataFolder: folder.path }, ["Tell me a story."], {
      policies: [checkpointId],
      temperature: 1.5,
      maxTokens: 24,
    });
    await using generation = new Generation({
      engineEntry: path.join(projectRoot, "dist", "engine.js"),
      engine: { precision: "fp32", threads: 1, slots: 4, cacheFolder: folder.path },
      locate: async () => ({ name: "tiny", folder: tinyModelFolder, sizeBytes: 1, basePlaces: [] }),
      onLog: () => {},
      observer: { firstToken() {}, token() {}, ended() {} },
    });
    await using _sampling = new BackgroundSampling({ db, generation, log, idleForMs: 20 });
    await waitUntil(() => areSettled(db, batchId), 60_000);
    const [task] = await tasksOf(db, batchId);
    expect(task?.status).toBe("open");
    const texts = (await responsesOf(db, task?.id ?? "")).map(({ response }) => response);
    expect(new Set(texts.map(({ text }) => text.trim())).size).toBe(4);
    for (const { tokenIds, logprobs } of texts) {
      expect(logprobs).toHaveLength(tokenIds?.length ?? -1);
      expect(Math.max(...(logprobs ?? [1]))).toBeLessThanOrEqual(0);
    }
  }, 90_000);
});

describe("the plan of policies", () => {
  it("gives every policy its even share over a batch, with the conversation's answer or without", () => {
    const policies = ["a", "b"];
    const all = [0, 1, 2, 3].flatMap((position) => planPolicies({ k: 9, policies, position }, false));
    expect(all.filter((policy) => policy === "a")).toHaveLength(18);
    expect(planPolicies({ k: 9, policies, position: 0 }, true)).toHaveLength(8);
  });
});
