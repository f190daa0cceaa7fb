/** @file The best of several answers: written at once, compared, one shown; stopped, uncompared and unoffered it is one answer. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import { currentRewardModel, messages } from "@/drizzle/schema";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { pickBest } from "@/server/domain/reward-models/pick-best";
import type { PickBest } from "@/server/generation/best-of";
import { type ChatServer, chatServer } from "../../helpers/chat-server";
import { type Caller, exchange, finished, newChatter, watch } from "../../helpers/chatting";
import { writeFakeCheckpoint } from "../../helpers/fake-checkpoint";
import { waitUntil } from "../../helpers/fake-generation";
import { fakeAnswer } from "../../helpers/fake-generator";
import { rewardServer } from "../../helpers/reward-server";

/** With `seeded` the fake's text follows the seed: several answers are several texts. */
const question = "hello [tokens=12] [seeded=1]";

async function useRewardModel(server: ChatServer): Promise<string> {
  const folder = await writeFakeCheckpoint(server.dataFolder, "rm-1", { stage: "reward" });
  const checkpointId = await registerCheckpoint(server.db, folder, server.dataFolder);
  await server.db.insert(currentRewardModel).values({ checkpointId });
  return checkpointId;
}

/** Asks for the best of four by the seeds 7 to 10. */
const ask = (call: Caller, { content = question, bestOf = 4 } = {}) =>
  call.chat.send({
    messageId: randomUUID(),
    conversationId: null,
    parentId: null,
    content,
    settings: { bestOf, sampling: { seed: 7 } },
  });

/** Likes best what comes last in the alphabet, and remembers what it compared. */
function lastOfAlphabet(rewardModelId: () => string) {
  const compared: string[][] = [];
  const pick: PickBest = async ({ responses }) => {
    compared.push(responses);
    const best = responses.toSorted().at(-1) ?? "";
    return { index: responses.indexOf(best), score: 1.5, rewardModelId: rewardModelId() };
  };
  return { compared, pick };
}

const rowOf = async (server: ChatServer, id: string) =>
  (await server.db.select().from(messages).where(eq(messages.id, id)))[0];

it("writes as many as were asked for, tells how far they are, and shows the best with its score", async () => {
  let rewardModel = "";
  const { compared, pick } = lastOfAlphabet(() => rewardModel);
  await using server = await chatServer({ pickBest: pick });
  rewardModel = await useRewardModel(server);
  const { call } = await newChatter(server.db);
  const sent = await ask(call, { content: `${question} [delay=10]` });
  const { updates } = await watch(call, sent.answer.id);
  const texts = [7, 8, 9, 10].map((seed) => fakeAnswer(question, seed));
  expect(compared[0]?.toSorted()).toEqual(texts.toSorted());
  const best = texts.toSorted().at(-1) ?? "";
  const last = updates.at(-1);
  expect(last).toMatchObject({
    type: "ended",
    message: { content: best, status: "complete", bestOf: 4, score: 1.5, responseTokens: 12 },
  });
  const told = updates.flatMap((update) => (update.type === "drafts" ? [update.written] : []));
  expect(told.at(-1)).toBe(4);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  // No word of an answer that is not the best.
  const shown = updates.flatMap((update) => (update.type === "delta" ? [update.text] : [])).join("");
  expect(best.startsWith(shown)).toBe(true);
  expect(await call.models.explainAnswer({ messageId: sent.answer.id })).toMatchObject({
    best: { of: 4, score: 1.5, rewardModel: { id: rewardModel, name: "rm-1" } },
    seed: 7 + texts.indexOf(best),
  });
});

it("writes one where no reward model is in use, or it cannot score", async () => {
  await using server = await chatServer();
  const { call } = await newChatter(server.db);
  expect(await call.chat.offersBestOf()).toBe(false);
  expect((await ask(call)).answer.bestOf).toBeNull();
  await useRewardModel(server);
  expect(await call.chat.offersBestOf()).toBe(true);
  await server.db.update(currentRewardModel).set({ problem: "It is gone.", problemAt: new Date() });
  expect(await call.chat.offersBestOf()).toBe(false);
  const { answer } = await ask(call);
  expect(await finished(call, answer.id)).toMatchObject({ bestOf: null, score: null, status: "complete" });
});

it("shows the first that was finished where they cannot be compared, and says so by having no score", async () => {
  await using server = await chatServer({ pickBest: () => Promise.reject(new Error("The scorer is gone.")) });
  await useRewardModel(server);
  const { call } = await newChatter(server.db);
  const { answer } = await ask(call);
  const ended = await finished(call, answer.id);
  expect(ended).toMatchObject({ bestOf: 4, score: null, status: "complete", error: null });
  expect([7, 8, 9, 10].map((seed) => fakeAnswer(question, seed))).toContain(ended.content);
  expect(await call.models.explainAnswer({ messageId: answer.id })).toMatchObject({
    best: { of: 4, score: null, rewardModel: null },
  });
});

it("is stopped while they are written, and keeps one to go on with", async () => {
  const { compared, pick } = lastOfAlphabet(() => "");
  await using server = await chatServer({ pickBest: pick });
  await useRewardModel(server);
  const { call, userId } = await newChatter(server.db);
  const long = "hello [tokens=40] [delay=20] [seeded=1]";
  const { answer } = await ask(call, { content: long });
  await waitUntil(async () => server.chat.generation.stateOf(server.checkpointId)?.waiting === 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const stopped = await call.chat.stop({ messageId: answer.id });
  expect(stopped).toMatchObject({ status: "stopped", bestOf: 4, score: null });
  expect(compared).toEqual([]);
  const texts = [7, 8, 9, 10].map((seed) => fakeAnswer(long, seed));
  expect(texts.some((text) => text.startsWith(stopped.content))).toBe(true);
  await call.chat.continue({ messageId: answer.id });
  expect(texts).toContain((await finished(call, answer.id)).content);
  expect(compared).toEqual([]);
  // The person's place is free again.
  expect(() => server.chat.generation.admit(userId).release()).not.toThrow();
});

it("stops while they are compared: the first that was finished stays", async () => {
  let isComparing = false;
  await using server = await chatServer({
    pickBest: () => {
      isComparing = true;
      return new Promise(() => {});
    },
  });
  await useRewardModel(server);
  const { call } = await newChatter(server.db);
  const { answer } = await ask(call);
  await waitUntil(() => isComparing);
  const stopped = await call.chat.stop({ messageId: answer.id });
  expect(stopped).toMatchObject({ status: "complete", score: null, bestOf: 4 });
  expect(stopped.content).not.toBe("");
});

it("leaves out those that fail, and fails where all do", async () => {
  const { compared, pick } = lastOfAlphabet(() => "");
  await using server = await chatServer({ pickBest: pick });
  await useRewardModel(server);
  const { call } = await newChatter(server.db);
  const { answer } = await ask(call, { content: "hello [tokens=12] [fail=3]" });
  expect(await finished(call, answer.id)).toMatchObject({ status: "failed", bestOf: 4, score: null });
  expect(compared).toEqual([]);
  await call.chat.retry({ messageId: answer.id });
  expect((await finished(call, answer.id)).status).toBe("failed");
});

it("goes on with the best, as that would have gone on", async () => {
  let rewardModel = "";
  const { pick } = lastOfAlphabet(() => rewardModel);
  await using server = await chatServer({ pickBest: pick });
  rewardModel = await useRewardModel(server);
  const { call } = await newChatter(server.db);
  const { answer } = await call.chat.send({
    messageId: randomUUID(),
    conversationId: null,
    parentId: null,
    content: question,
    settings: { bestOf: 4, sampling: { seed: 7, maxTokens: 5 } },
  });
  const cut = await finished(call, answer.id);
  expect(cut).toMatchObject({ status: "length", score: 1.5 });
  const texts = [7, 8, 9, 10].map((seed) => fakeAnswer(question, seed));
  const best = texts.filter((text) => text.startsWith(cut.content));
  expect(best).toHaveLength(1);
  expect(best[0]).not.toBe(texts[0]);
  await call.chat.continue({ messageId: answer.id });
  const longer = await finished(call, answer.id);
  expect(longer.content.startsWith(cut.content)).toBe(true);
  expect(best[0]?.startsWith(longer.content)).toBe(true);
});

it("is a setting of a conversation, for the answers that follow", async () => {
  let rewardModel = "";
  const { pick } = lastOfAlphabet(() => rewardModel);
  await using server = await chatServer({ pickBest: pick });
  rewardModel = await useRewardModel(server);
  const { call } = await newChatter(server.db);
  const { conversationId, answer } = await exchange(call, question);
  expect(answer.bestOf).toBeNull();
  expect(await call.conversations.change({ conversationId, bestOf: 3 })).toMatchObject({ bestOf: 3 });
  const again = await call.chat.regenerate({ messageId: answer.id, newMessageId: randomUUID() });
  expect(await finished(call, again.id)).toMatchObject({ bestOf: 3, score: 1.5 });
  await expect(call.conversations.change({ conversationId, bestOf: 9 })).rejects.toThrow("At most 8 answers");
  const other = (await newChatter(server.db, "Bob")).call;
  await expect(other.conversations.change({ conversationId, bestOf: 2 })).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
  expect((await rowOf(server, again.id))?.rewardModelId).toBe(rewardModel);
});

it("is picked by the reward model in use, the first of equals", async () => {
  const server = await rewardServer();
  try {
    const parts = { db: server.db, scoring: server.services.scoring };
    const candidates = {
      prompt: [{ role: "user" as const, content: "Why?" }],
      responses: ["one", "one two three", "three two one", "one two"],
      signal: new AbortController().signal,
    };
    await expect(pickBest(parts, candidates)).rejects.toThrow("No reward model is in use any more.");
    const rewardModelId = await server.addCheckpoint("rm-1");
    await server.db.insert(currentRewardModel).values({ checkpointId: rewardModelId });
    expect(await pickBest(parts, candidates)).toEqual({ index: 1, score: 3, rewardModelId });
    const broken = { ...candidates, responses: ["one", "[nan]"] };
    await expect(pickBest(parts, broken)).rejects.toThrow("no finite score");
  } finally {
    await server[Symbol.asyncDispose]();
  }
});
