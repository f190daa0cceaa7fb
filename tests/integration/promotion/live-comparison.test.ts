/** @file Live comparisons: who gets two drafts and how often, what a choice does to the conversation, what of it counts. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import { conversations, draftPairs, liveComparisons, messages, users } from "@/drizzle/schema";
import { exportAccount } from "@/server/domain/account-data";
import { describeUse, readChannels } from "@/server/domain/channels";
import { comparisonChannel } from "@/server/domain/live/close-comparison";
import { settleCutPairs } from "@/server/domain/live/decide-pair";
import { tidyComparison } from "@/server/domain/live/steer-comparison";
import { addPrompts } from "../../helpers/batches";
import { type Caller, finished, newChatter, send } from "../../helpers/chatting";
import { waitUntil } from "../../helpers/fake-generation";
import { type PromotionServer, promotionServer, withApproval } from "../../helpers/promoting";
import { describeEachDatabase } from "../../helpers/test-database";

const everyQuestion = { share: 100, perDay: 20, spacing: 1, reason: "a look" };

async function comparing(
  server: PromotionServer,
  options: Partial<typeof everyQuestion> = {},
): Promise<string> {
  const candidateId = await server.newCheckpoint("fake-2");
  await server.chat.generation.load(server.checkpointId);
  await server.asAda.promotion.startComparison({ ...everyQuestion, ...options, candidateId });
  return candidateId;
}

async function agreeing(server: PromotionServer, name?: string) {
  const person = await newChatter(server.db, name);
  await person.call.account.answerConsent({ granted: true });
  return person;
}

/** Asks, and reads both drafts to their end; the second is null where there is one answer alone. */
async function ask(
  call: Caller,
  text: string,
  after: { conversationId: string; parentId: string } | null = null,
) {
  const exchange = await send(call, text, after ?? {});
  await finished(call, exchange.answer.id);
  if (exchange.otherDraft) await finished(call, exchange.otherDraft.id);
  return { ...exchange, pairId: exchange.answer.draft?.pairId ?? "" };
}

const isPaired = async (call: Caller, text = "Hello?") => (await ask(call, text)).otherDraft !== null;

/** Chooses the challenger's draft, or the live policy's. */
async function prefer(
  server: PromotionServer,
  call: Caller,
  { pairId, answer }: Awaited<ReturnType<typeof ask>>,
  policyId: string,
) {
  const [first] = await server.db.select().from(messages).where(eq(messages.id, answer.id));
  const verdict = first?.checkpointId === policyId ? "first" : "second";
  return call.chat.chooseDraft({ pairId, verdict });
}

describeEachDatabase("a live comparison", (home) => {
  it("gives who agreed two drafts, blind, in the one order and the other; the choice goes on", async () => {
    await using server = await promotionServer(home);
    const candidateId = await comparing(server);
    const { call } = await agreeing(server);
    const orders = new Set<boolean>();
    for (let i = 0; i < 20 && orders.size < 2; i++) {
      const asked = await ask(call, `Question ${i}?`);
      expect(asked.answer).toMatchObject({ checkpoint: null, draft: { place: "first" } });
      expect(asked.otherDraft).toMatchObject({
        checkpoint: null,
        draft: { place: "second" },
        parentId: asked.question.id,
      });
      await expect(call.models.explainAnswer({ messageId: asked.answer.id })).rejects.toThrow(
        /once you have chosen/,
      );
      const rows = await server.db.select().from(messages).where(eq(messages.parentId, asked.question.id));
      const byId = new Map(rows.map((row) => [row.id, row]));
      expect(rows.map(({ checkpointId }) => checkpointId).sort()).toEqual(
        [server.checkpointId, candidateId].sort(),
      );
      expect(byId.get(asked.answer.id)?.createdAt.getTime()).toBeLessThan(
        byId.get(asked.otherDraft?.id ?? "")?.createdAt.getTime() ?? 0,
      );
      orders.add(byId.get(asked.answer.id)?.checkpointId === candidateId);
      const [goesOn, other] = await call.chat.chooseDraft({ pairId: asked.pairId, verdict: "second" });
      expect([goesOn?.id, other?.id]).toEqual([asked.otherDraft?.id, asked.answer.id]);
      expect([goesOn?.checkpoint?.id, other?.checkpoint?.id].sort()).toEqual(
        [server.checkpointId, candidateId].sort(),
      );
      const tree = await call.conversations.get({ conversationId: asked.conversationId });
      expect(tree.conversation.activeLeafId).toBe(asked.otherDraft?.id);
      await expect(call.chat.chooseDraft({ pairId: asked.pairId, verdict: "first" })).rejects.toThrow(
        /already/,
      );
    }
    expect(orders.size).toBe(2);
  });

  it("goes on with the first draft where the question was edited and switched back to, and with the chosen one later", async () => {
    await using server = await promotionServer(home);
    await comparing(server);
    const { call } = await agreeing(server);
    const asked = await ask(call, "One?");
    const { conversationId } = asked;
    const edited = await call.chat.edit({
      messageId: asked.question.id,
      newMessageId: randomUUID(),
      content: "Two?",
    });
    await finished(call, edited.answer.id);
    const back = () => call.conversations.chooseBranch({ messageId: asked.question.id });
    expect(await back()).toMatchObject({ activeLeafId: asked.answer.id });
    const treeOf = async (id: string) =>
      (await call.conversations.get({ conversationId })).messages.find((each) => each.id === id);
    expect(await treeOf(asked.otherDraft?.id ?? "")).toMatchObject({
      isLeftBehind: true,
      draftedWithId: null,
    });
    await call.chat.chooseDraft({ pairId: asked.pairId, verdict: "second" });
    await call.conversations.chooseBranch({ messageId: edited.question.id });
    expect(await back()).toMatchObject({ activeLeafId: asked.otherDraft?.id });
    // Nobody is asked once more, now that it is told who wrote which.
    expect(await treeOf(asked.otherDraft?.id ?? "")).toMatchObject({
      isLeftBehind: false,
      draftedWithId: asked.answer.id,
    });
  });

  it("asks nobody who did not agree, about no conversation that is kept back, and not who asks for a checkpoint", async () => {
    await using server = await promotionServer(home);
    const candidateId = await comparing(server);
    expect(await isPaired((await newChatter(server.db)).call)).toBe(false);
    const { call } = await agreeing(server);
    const kept = await call.chat.send({
      messageId: randomUUID(),
      conversationId: null,
      parentId: null,
      content: "Between us?",
      settings: { consent: false },
    });
    expect(kept.otherDraft).toBeNull();
    const named = {
      messageId: randomUUID(),
      conversationId: null,
      parentId: null,
      content: "You?",
      checkpointId: candidateId,
    };
    expect((await server.asAda.chat.send(named)).otherDraft).toBeNull();
    expect(await isPaired(call)).toBe(true);
  });

  it("asks seldom: not more than so often a day and in a conversation, by its share, and not who passes over", async () => {
    await using server = await promotionServer(home);
    await comparing(server, { perDay: 4, spacing: 2 });
    const set = (values: Partial<typeof liveComparisons.$inferInsert>) =>
      server.db.update(liveComparisons).set(values);
    const { call } = await agreeing(server);
    const first = await ask(call, "One?");
    expect(first.otherDraft).not.toBeNull();
    const second = await ask(call, "Two?", {
      conversationId: first.conversationId,
      parentId: first.answer.id,
    });
    expect(second.otherDraft).toBeNull();
    const third = await ask(call, "Three?", {
      conversationId: first.conversationId,
      parentId: second.answer.id,
    });
    expect(third.otherDraft).not.toBeNull();
    expect(await isPaired(call)).toBe(true);
    // Three were passed over, or left lying: there is rest.
    expect(await isPaired(call)).toBe(false);
    await call.chat.chooseDraft({ pairId: third.pairId, verdict: "tie", goesOnWith: "second" });
    expect(await isPaired(call)).toBe(true);
    expect(await isPaired(call)).toBe(false);
    await set({ perDay: 20, share: 0.000001 });
    expect(await isPaired((await agreeing(server)).call)).toBe(false);
  });

  it("counts what was chosen as judgments of people, in a line of its own and without who asks for the promotion", async () => {
    await using server = await promotionServer(home);
    const candidateId = await comparing(server);
    const pair = { candidateId, opponentId: server.checkpointId };
    const rateOf = (without: string[] = []) =>
      server.asAuditor.evaluations.winRate({ ...pair, judge: { kind: "people" }, without });
    expect((await rateOf()).overall).toBeNull();
    const people = [await agreeing(server), await agreeing(server), await agreeing(server)];
    for (const [i, { call }] of people.entries()) {
      // The fake says the same whoever answers, but for its seed.
      const asked = await ask(call, `Who ${i}? [seeded=1]`);
      await prefer(server, call, asked, i < 2 ? candidateId : server.checkpointId);
    }
    expect((await rateOf()).overall).toMatchObject({ judgments: 3, judges: 3, wins: 2, losses: 1 });
    expect((await rateOf([people[0]?.userId ?? ""])).overall).toMatchObject({ wins: 1, losses: 1 });
    const turned = { candidateId: pair.opponentId, opponentId: candidateId };
    expect(await server.asAda.evaluations.winRate({ ...turned, judge: { kind: "people" } })).toMatchObject({
      overall: { wins: 1, losses: 2 },
    });
    expect(
      (await server.asAda.evaluations.winRate({ ...pair, judge: { kind: "labelers" } })).overall,
    ).toBeNull();
    expect(await server.asAuditor.evaluations.comparison(pair)).toMatchObject({ chosen: 3 });
    expect(await server.asAda.evaluations.strengths({ judge: { kind: "people" } })).toHaveLength(2);

    const { call, userId } = people[2] ?? (await agreeing(server));
    await ask(call, "Write to ann@example.org [seeded=1]").then((asked) =>
      call.chat.chooseDraft({ pairId: asked.pairId, verdict: "bothBad" }),
    );
    expect((await rateOf()).overall).toMatchObject({ judgments: 4, bothBad: 1 });
    const texts = await server.asAuditor.evaluations.transcripts({ ...pair, judge: { kind: "people" } });
    expect(texts.transcripts.map(({ messages }) => messages.at(-1)?.content)).not.toContain(
      "Write to ann@example.org [seeded=1]",
    );
    expect(texts.total).toBe(3);

    // Gone on with, or put aside as somebody's own: it counts, and is not shown.
    const [shown] = texts.transcripts;
    const questionId = shown?.promptId ?? "";
    await addPrompts(server.db, ["Who?"], { messageId: questionId, isSensitive: true });
    const pairs = await server.db.select().from(draftPairs);
    const resumed = pairs.find((each) => each.questionId === texts.transcripts[1]?.promptId)?.secondId ?? "";
    await server.db.update(messages).set({ isResumed: true }).where(eq(messages.id, resumed));
    const left = await server.asAuditor.evaluations.transcripts({ ...pair, judge: { kind: "people" } });
    expect(left.total).toBe(1);
    expect((await rateOf()).overall).toMatchObject({ judgments: 4 });

    let own = "";
    for await (const part of exportAccount(server.db, userId)) own += part;
    expect(JSON.parse(own).draftChoices).toMatchObject([
      { decidedAt: expect.any(String) },
      { verdict: "bothBad" },
    ]);

    // Whoever withdraws, deletes, or leaves takes the choices along.
    await call.account.answerConsent({ granted: false });
    expect((await rateOf()).overall).toMatchObject({ judgments: 2, wins: 2 });
    await server.db.delete(users).where(eq(users.id, people[0]?.userId ?? ""));
    expect((await rateOf()).overall).toMatchObject({ judgments: 1, wins: 1 });
    await server.db.delete(conversations).where(eq(conversations.userId, userId));
    expect(await server.db.$count(draftPairs)).toBe(1);
  });

  it("goes on with the first where somebody just writes on, and nothing counts", async () => {
    await using server = await promotionServer(home);
    await comparing(server);
    const { call } = await agreeing(server);
    const asked = await ask(call, "One?");
    await ask(call, "Two?", { conversationId: asked.conversationId, parentId: asked.answer.id });
    const { messages: tree } = await call.conversations.get({ conversationId: asked.conversationId });
    expect(tree.find(({ id }) => id === asked.answer.id)).toMatchObject({ draft: null, checkpoint: {} });
    await expect(call.chat.chooseDraft({ pairId: asked.pairId, verdict: "first" })).rejects.toThrow(
      /already/,
    );
    expect((await server.asAda.promotion.comparisons())[0]).toMatchObject({
      asked: 2,
      chosen: 0,
      passedOver: 1,
    });
  });

  it("goes on with the draft that is whole where the other failed, and with one answer where the challenger is not there", async () => {
    await using server = await promotionServer(home);
    const candidateId = await comparing(server);
    const { call } = await agreeing(server);
    const cut = await ask(call, "Go [fail=2]");
    await waitUntil(async () =>
      (await call.conversations.get(cut)).messages.every(({ draft }) => draft === null),
    );
    const stopped = await send(call, "On and on [tokens=1000] [delay=10]");
    await expect(
      call.chat.chooseDraft({ pairId: stopped.answer.draft?.pairId ?? "", verdict: "first" }),
    ).rejects.toThrow(/to their end/);
    await call.chat.stop({ messageId: stopped.answer.id });
    await call.chat.stop({ messageId: stopped.otherDraft?.id ?? "" });
    await waitUntil(async () =>
      (await call.conversations.get(stopped)).messages.every(({ draft }) => draft === null),
    );
    await server.db.update(liveComparisons).set({ candidateId: await server.newCheckpoint("broken-3") });
    expect(await isPaired(call)).toBe(false);
    expect(candidateId).toBeTruthy();
  });

  it("settles at the start what the last stop of the server cut off", async () => {
    await using server = await promotionServer(home);
    await comparing(server);
    const { call } = await agreeing(server);
    const [whole, cut] = [await ask(call, "One?"), await ask(call, "Two?")];
    await server.db.update(messages).set({ status: "interrupted" }).where(eq(messages.id, cut.answer.id));
    await settleCutPairs(server.db);
    const undecided = (await server.db.select().from(draftPairs)).filter(({ decidedAt }) => !decidedAt);
    expect(undecided.map(({ id }) => id)).toEqual([whole.pairId]);
  });

  it("ends by an admin, with a freeze and with another live policy, and gives the memory back", async () => {
    await using server = await promotionServer(home);
    const { asAda, promoting, chat, db } = server;
    const candidateId = await comparing(server);
    expect((await readChannels(db)).get(comparisonChannel)).toMatchObject({ checkpointId: candidateId });
    expect(await describeUse(db, candidateId)).toBe("a live comparison asks it");
    await expect(asAda.promotion.startComparison({ ...everyQuestion, candidateId })).rejects.toThrow(
      /already/,
    );
    await asAda.promotion.endComparison({ reason: "enough" });
    expect(chat.generation.hasChannel(comparisonChannel)).toBe(false);
    await expect(asAda.promotion.endComparison({ reason: "twice" })).rejects.toThrow(/No live comparison/);

    await asAda.promotion.startComparison({ ...everyQuestion, candidateId });
    await tidyComparison(promoting);
    expect(chat.generation.hasChannel(comparisonChannel)).toBe(true);
    await asAda.promotion.freeze({ reason: "a holiday" });
    await tidyComparison(promoting);
    expect(chat.generation.hasChannel(comparisonChannel)).toBe(false);
    await expect(asAda.promotion.startComparison({ ...everyQuestion, candidateId })).rejects.toThrow(
      /frozen/,
    );
    await asAda.promotion.unfreeze();

    await asAda.promotion.startComparison({ ...everyQuestion, candidateId });
    await server.promote(await server.newCheckpoint("fake-3"));
    await tidyComparison(promoting);
    expect(chat.generation.hasChannel(comparisonChannel)).toBe(false);
    const { call } = await agreeing(server);
    expect(await isPaired(call)).toBe(false);
    expect((await asAda.promotion.comparisons()).map(({ ended }) => ended?.reason)).toEqual([
      "another policy went live",
      "promotions were frozen: a holiday",
      "enough",
    ]);
    await expect(
      asAda.promotion.startComparison({ ...everyQuestion, candidateId: server.live() }),
    ).rejects.toThrow(/live itself/);
  });

  it("asks for the approval of another admin where promotions do", async () => {
    await using server = await promotionServer(home);
    const { asAda, asGrace } = server;
    await asAda.promotion.changeSettings(withApproval);
    const candidateId = await server.newCheckpoint("fake-2");
    await expect(asAda.promotion.startComparison({ ...everyQuestion, candidateId })).rejects.toThrow(
      /Another admin/,
    );
    const { requestId } = await asAda.promotion.request({ checkpointId: candidateId, reason: "better" });
    await expect(asAda.promotion.startComparison({ ...everyQuestion, candidateId })).rejects.toThrow(
      /Another admin/,
    );
    await asGrace.promotion.approve({ requestId });
    await asAda.promotion.startComparison({ ...everyQuestion, candidateId });
  });

  it("lets nobody choose for another, and auditors look without starting or ending", async () => {
    await using server = await promotionServer(home);
    const candidateId = await comparing(server);
    const [own, other] = [await agreeing(server), await agreeing(server)];
    const { pairId } = await ask(own.call, "Mine?");
    await expect(other.call.chat.chooseDraft({ pairId, verdict: "first" })).rejects.toThrow(/no such drafts/);
    expect(await server.asAuditor.promotion.comparisons()).toHaveLength(1);
    for (const call of [server.asAuditor, server.asUser]) {
      const forbidden = { code: "FORBIDDEN" };
      await expect(call.promotion.startComparison({ ...everyQuestion, candidateId })).rejects.toMatchObject(
        forbidden,
      );
      await expect(call.promotion.endComparison({ reason: "no" })).rejects.toMatchObject(forbidden);
    }
    await expect(server.asUser.promotion.comparisons()).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});
