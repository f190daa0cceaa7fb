/** @file Conversations through procedures: list, search, branches, deletion, export, consent, retention, owners. */
import { randomUUID } from "node:crypto";
import { and, eq } from "drizzle-orm";
import { describe, expect, it, vi } from "vitest";
import { apiKeys, conversations, messages, users } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { answerConsent } from "@/server/domain/consent";
import { undoWindowMs } from "@/server/domain/conversations";
import { sweepConversations } from "@/server/domain/conversations-sweep";
import { fallbackTitle, readTitle } from "@/server/domain/conversations-title";
import { changeSettings } from "@/server/domain/settings";
import { isUsableConversation } from "@/server/domain/usable-conversations";
import { chatServer } from "../../helpers/chat-server";
import { exchange, finished, newChatter, send } from "../../helpers/chatting";
import { waitUntil } from "../../helpers/fake-generation";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

/** Conversations without any generation: `titles` oldest first, a minute apart. */
async function insertConversations(db: Db, userId: string, titles: string[]): Promise<string[]> {
  const start = Date.now() - titles.length * 60_000;
  const rows = await db
    .insert(conversations)
    .values(titles.map((title, index) => ({ userId, title, updatedAt: new Date(start + index * 60_000) })))
    .returning({ id: conversations.id });
  return rows.map(({ id }) => id);
}

async function insertQuestion(db: Db, conversationId: string, content: string): Promise<string> {
  const [row] = await db.insert(messages).values({ conversationId, role: "user", content }).returning();
  return row?.id ?? "";
}

describeEachDatabase("conversations", (home) => {
  it("come newest first by page, without gap or repetition, pinned apart, archived elsewhere", async () => {
    await using server = await chatServer({ home });
    const { userId, call } = await newChatter(server.db);
    const titles = Array.from({ length: 25 }, (_, index) => `t${index}`);
    const ids = await insertConversations(server.db, userId, titles);
    await call.conversations.change({ conversationId: ids[3] ?? "", isPinned: true });
    await call.conversations.change({ conversationId: ids[4] ?? "", isArchived: true });
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await call.conversations.list({ limit: 10, cursor });
      expect(page.pinned.map(({ title }) => title)).toEqual(cursor === null ? ["t3"] : []);
      seen.push(...page.conversations.map(({ title }) => title));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(titles.filter((title) => title !== "t3" && title !== "t4").reverse());
    const archive = await call.conversations.list({ archived: true });
    expect(archive.conversations.map(({ title }) => title)).toEqual(["t4"]);
    await expect(call.conversations.list({ cursor: "nonsense" })).rejects.toThrow("cursor");
  });

  it("are found by all words in title or one message, with the place and a snippet", async () => {
    await using server = await chatServer({ home });
    const { userId, call } = await newChatter(server.db);
    const [first, second] = await insertConversations(server.db, userId, ["Garden plans", "100% wool"]);
    const text = `${"begin ".repeat(40)}the purple Heron stood still${" end".repeat(60)}`;
    const messageId = await insertQuestion(server.db, first ?? "", text);
    await insertQuestion(server.db, second ?? "", "a heron, but not of that colour");
    const [hit, ...others] = await call.conversations.search({ query: "heron PURPLE" });
    expect(others).toEqual([]);
    expect(hit).toMatchObject({ messageId, conversation: { id: first } });
    expect(hit?.snippet).toMatch(/^….*purple Heron stood.*…$/);
    const byTitle = await call.conversations.search({ query: "garden" });
    expect(byTitle).toMatchObject([
      { messageId: null, snippet: "", conversation: { title: "Garden plans" } },
    ]);
    // Signs of the pattern language are letters like any other.
    expect(await call.conversations.search({ query: "100%" })).toHaveLength(1);
    expect(await call.conversations.search({ query: "%" })).toHaveLength(1);
    expect(await call.conversations.search({ query: "_" })).toHaveLength(0);
    expect(await call.conversations.search({ query: "  " })).toEqual([]);
    const other = await newChatter(server.db, "Bob");
    expect(await other.call.conversations.search({ query: "heron" })).toEqual([]);
  });

  it("are deleted with undo, stop their answers, and go for good after the window", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { conversationId, answer } = await send(call, "[tokens=5000] [delay=5]");
    const { undoUntil } = await call.conversations.delete({ conversationId });
    expect(undoUntil.getTime()).toBeGreaterThan(Date.now());
    await waitUntil(() => !server.chat.answers.isLive(answer.id));
    await expect(call.conversations.get({ conversationId })).rejects.toThrow("no such conversation");
    expect((await call.conversations.list({})).conversations).toEqual([]);
    expect((await call.conversations.restore({ conversationId })).id).toBe(conversationId);
    expect((await finished(call, answer.id)).status).toBe("stopped");
    await call.conversations.delete({ conversationId });
    await sweepConversations(server.db);
    expect(await server.db.$count(conversations)).toBe(1);
    const later = new Date(Date.now() + undoWindowMs + 1000);
    expect(await sweepConversations(server.db, later)).toEqual({ deleted: 1, outdated: 0 });
    expect(await server.db.$count(messages)).toBe(0);
    await expect(call.conversations.restore({ conversationId })).rejects.toThrow("no such conversation");
  });

  it("are kept for as many days as the setting says", async () => {
    await using server = await chatServer({ home });
    const { userId } = await newChatter(server.db);
    await insertConversations(server.db, userId, ["old"]);
    const inDays = (days: number) => new Date(Date.now() + days * 24 * 3600 * 1000);
    expect(await sweepConversations(server.db, inDays(4000))).toEqual({ deleted: 0, outdated: 0 });
    await changeSettings(server.db, { actorId: null, change: { retentionDays: 30 } });
    expect(await sweepConversations(server.db, inDays(29))).toEqual({ deleted: 0, outdated: 0 });
    expect(await sweepConversations(server.db, inDays(31))).toEqual({ deleted: 0, outdated: 1 });
  });

  it("branch by edit and regenerate, and show the chosen branch", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const first = await exchange(call, "one [tokens=2]");
    const { conversationId } = first;
    const follow = await exchange(call, "two [tokens=2]", { conversationId, parentId: first.answer.id });
    const again = await call.chat.regenerate({ messageId: first.answer.id, newMessageId: randomUUID() });
    expect(again.parentId).toBe(first.question.id);
    await finished(call, again.id);
    const edited = await call.chat.edit({
      messageId: first.question.id,
      newMessageId: randomUUID(),
      content: "uno [tokens=2]",
    });
    expect(edited.question.parentId).toBeNull();
    await finished(call, edited.answer.id);
    const tree = await call.conversations.get({ conversationId });
    expect(tree.messages).toHaveLength(7);
    expect(tree.conversation.activeLeafId).toBe(edited.answer.id);
    // Back to the first question: its newest leaf is the regenerated answer.
    expect((await call.conversations.chooseBranch({ messageId: first.question.id })).activeLeafId).toBe(
      again.id,
    );
    expect((await call.conversations.chooseBranch({ messageId: first.answer.id })).activeLeafId).toBe(
      follow.answer.id,
    );
    const { content } = await call.conversations.export({ conversationId, format: "markdown" });
    expect(content).toContain("one [tokens=2]");
    expect(content).toContain("two [tokens=2]");
    expect(content).not.toContain("uno");
    const json = JSON.parse((await call.conversations.export({ conversationId, format: "json" })).content);
    expect(json.messages).toHaveLength(7);
  });

  it("refuse a question under an unfinished answer, or under another conversation's", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const running = await send(call, "[tokens=500] [delay=5]");
    const { conversationId } = running;
    await expect(send(call, "next", { conversationId, parentId: running.answer.id })).rejects.toThrow(
      "still being made",
    );
    await call.chat.stop({ messageId: running.answer.id });
    const other = await exchange(call, "other");
    await expect(send(call, "next", { conversationId, parentId: other.answer.id })).rejects.toThrow(
      "no such message",
    );
    await expect(send(call, "next", { conversationId, parentId: running.question.id })).rejects.toThrow(
      "follows an answer",
    );
    await exchange(call, "next", { conversationId, parentId: running.answer.id });
    await expect(call.chat.retry({ messageId: running.answer.id })).rejects.toThrow("Other messages follow");
  });

  it("send their system prompt and sampling along, the admin's where they have none", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    await changeSettings(server.db, {
      actorId: null,
      change: { defaultSystemPrompt: "two words", defaultSampling: { temperature: 0.1 } },
    });
    const plain = await exchange(call, "one");
    // The fake counts words as prompt tokens.
    expect(plain.answer.promptTokens).toBe(3);
    await call.conversations.change({
      conversationId: plain.conversationId,
      systemPrompt: "now it is five words",
      sampling: { topK: 7 },
    });
    const own = await exchange(call, "two", {
      conversationId: plain.conversationId,
      parentId: plain.answer.id,
    });
    expect(own.answer.promptTokens).toBe(5 + 1 + 12 + 1);
    const origin = await call.models.explainAnswer({ messageId: own.answer.id });
    expect(origin.sampling).toMatchObject({ topK: 7, temperature: 0.1 });
  });

  it("get a title from the policy, unless the person gave one", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { conversationId } = await exchange(call, "Where do herons sleep? [tokens=4]");
    const title = async () => (await call.conversations.get({ conversationId })).conversation.title;
    await waitUntil(async () => (await title()) !== "Where do herons sleep? [tokens=4]");
    expect((await title()).split(" ")).toHaveLength(4);
    await call.conversations.change({ conversationId, title: "Mine" });
    const named = await exchange(call, "another [tokens=4]");
    await call.conversations.change({ conversationId: named.conversationId, title: "Also mine" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await title()).toBe("Mine");
    expect((await call.conversations.get(named)).conversation.title).toBe("Also mine");
  });

  it("tell the person's open pages what changed", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const changes = await call.conversations.changes();
    const iterator = changes[Symbol.asyncIterator]();
    const next = iterator.next();
    const { conversationId } = await send(call, "[tokens=1]");
    expect((await next).value).toEqual({ conversationId, kind: "messages" });
    await iterator.return?.();
  });
});

describe("titles", () => {
  it("fall back to the question's first line, cut at a word", () => {
    expect(fallbackTitle("  How do I\tboil an egg?\nPlease.")).toBe("How do I boil an egg?");
    const long = fallbackTitle(
      "a question that goes on and on and on until nobody wants to read it to its end",
    );
    expect(long).toMatch(/^a question .*[a-z]…$/);
    expect(long.length).toBeLessThanOrEqual(61);
  });

  it("take only what looks like a title", () => {
    expect(readTitle('Title: "Boiling Eggs."\nmore')).toBe("Boiling Eggs");
    expect(readTitle("**Boiling  Eggs**")).toBe("Boiling Eggs");
    for (const none of ["", "!!!", "Sure, here is a title", "I'm sorry", "w ".repeat(12), "x".repeat(90)]) {
      expect(readTitle(none)).toBeNull();
    }
  });
});

describe("owners", () => {
  it("are the only ones who reach a conversation: everybody else gets NOT_FOUND", async () => {
    await using server = await chatServer();
    const [ann, bob] = [await newChatter(server.db), await newChatter(server.db, "Bob")];
    const { conversationId, question, answer } = await exchange(ann.call, "mine");
    const admin = callerFor(server.db, { ...(await personOf(server.db, bob.userId)), role: "admin" });
    for (const call of [bob.call, admin]) {
      const newMessageId = randomUUID();
      const attempts = [
        call.conversations.get({ conversationId }),
        call.conversations.change({ conversationId, title: "x" }),
        call.conversations.delete({ conversationId }),
        call.conversations.restore({ conversationId }),
        call.conversations.setConsent({ conversationId, consent: true }),
        call.conversations.export({ conversationId, format: "json" }),
        call.conversations.chooseBranch({ messageId: answer.id }),
        send(call, "x", { conversationId, parentId: answer.id }),
        call.chat.edit({ messageId: question.id, newMessageId, content: "x" }),
        call.chat.regenerate({ messageId: answer.id, newMessageId }),
        call.chat.retry({ messageId: answer.id }),
        call.chat.continue({ messageId: answer.id }),
        call.chat.stop({ messageId: answer.id }),
        call.chat.stream({ messageId: answer.id }).then((stream) => stream[Symbol.asyncIterator]().next()),
        call.models.explainAnswer({ messageId: answer.id }),
        call.feedback.give({ messageId: answer.id, thumb: 1 }),
        call.feedback.clear({ messageId: answer.id }),
      ];
      for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ code: "NOT_FOUND" });
    }
    expect((await ann.call.conversations.get({ conversationId })).messages).toHaveLength(2);
  });

  it("cannot take over a message id of somebody else", async () => {
    await using server = await chatServer();
    const [ann, bob] = [await newChatter(server.db), await newChatter(server.db, "Bob")];
    const { question } = await exchange(ann.call, "mine");
    await expect(send(bob.call, "x", { messageId: question.id })).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await ann.call.conversations.list({})).conversations).toHaveLength(1);
    expect((await bob.call.conversations.list({})).conversations).toHaveLength(0);
  });

  it("must be signed in for every procedure, and admins for those of models", async () => {
    await using server = await chatServer();
    const nobody = callerFor(server.db, null);
    const id = randomUUID();
    const attempts = [
      nobody.conversations.list({}),
      nobody.conversations.search({ query: "x" }),
      nobody.conversations.get({ conversationId: id }),
      nobody.conversations.change({ conversationId: id }),
      nobody.conversations.setConsent({ conversationId: id, consent: null }),
      nobody.conversations.chooseBranch({ messageId: id }),
      nobody.conversations.delete({ conversationId: id }),
      nobody.conversations.restore({ conversationId: id }),
      nobody.conversations.export({ conversationId: id, format: "json" }),
      nobody.conversations.changes(),
      send(nobody, "x"),
      nobody.chat.edit({ messageId: id, newMessageId: id, content: "x" }),
      nobody.chat.regenerate({ messageId: id, newMessageId: id }),
      nobody.chat.retry({ messageId: id }),
      nobody.chat.continue({ messageId: id }),
      nobody.chat.stop({ messageId: id }),
      nobody.chat.stream({ messageId: id }),
      nobody.chat.temporary({ messages: [{ role: "user", content: "x" }] }),
      nobody.feedback.reasons(),
      nobody.feedback.give({ messageId: id }),
      nobody.feedback.clear({ messageId: id }),
      nobody.models.channels(),
      nobody.models.checkpoints(),
      nobody.models.explainAnswer({ messageId: id }),
      nobody.models.engines(),
    ];
    for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    const { call } = await newChatter(server.db);
    await expect(call.models.engines()).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

it("tells why a channel cannot answer to those who manage models alone: it may name files", async () => {
  await using server = await chatServer();
  const { call } = await newChatter(server.db);
  const admin = callerFor(server.db, await makePerson(server.db, { role: "admin" }));
  const lastError = "/srv/models/x is damaged";
  vi.spyOn(server.chat.generation, "stateOf").mockReturnValue({ state: "failed", waiting: 0, lastError });
  expect(await admin.models.channels()).toMatchObject([{ state: "failed", problem: lastError }]);
  expect(await call.models.channels()).toMatchObject([{ state: "failed", problem: null }]);
});

async function personOf(db: Db, userId: string) {
  const [user] = await db.select().from(users).where(eq(users.id, userId));
  if (!user) throw new Error("no such person");
  return user;
}

describeEachDatabase("usable conversations", (home) => {
  it("are on record when a conversation begins with one", async () => {
    await using server = await chatServer();
    const { call } = await newChatter(server.db);
    const { conversationId } = await call.chat.send({
      messageId: randomUUID(),
      conversationId: null,
      parentId: null,
      content: "hi",
      settings: { consent: true },
    });
    expect(await call.account.consentHistory()).toMatchObject([{ conversationId, granted: true }]);
  });

  it("follow the account, then the conversation's own answer, then the key, and end with a withdrawal", async () => {
    await using database = await testDatabase(home);
    const { db } = database;
    const [user] = await db.insert(users).values({ name: "Ann", email: "ann@example.org" }).returning();
    const userId = user?.id ?? "";
    const [id] = await insertConversations(db, userId, ["a"]);
    const conversationId = id ?? "";
    const isUsable = async (which = conversationId) =>
      (await db.$count(conversations, and(eq(conversations.id, which), isUsableConversation))) === 1;
    const change = (fields: Partial<typeof conversations.$inferInsert>) =>
      db.update(conversations).set(fields).where(eq(conversations.id, conversationId));

    expect(await isUsable()).toBe(false);
    await answerConsent(db, { userId, granted: true });
    expect(await isUsable()).toBe(true);
    await change({ consent: false });
    expect(await isUsable()).toBe(false);
    await change({ consent: null });
    await change({ deletedAt: new Date() });
    expect(await isUsable()).toBe(false);
    await change({ deletedAt: null });
    await answerConsent(db, { userId, granted: false });
    expect(await isUsable()).toBe(false);
    await change({ consent: true });
    expect(await isUsable()).toBe(true);
    // The account's "no" is a "no" to everything before it.
    await answerConsent(db, { userId, granted: false });
    expect(await isUsable()).toBe(false);

    await answerConsent(db, { userId, granted: true });
    const [key] = await db
      .insert(apiKeys)
      .values({ userId, name: "k", keyHash: "h", suffix: "wxyz", consent: false })
      .returning();
    await change({ source: "api", apiKeyId: key?.id ?? "" });
    expect(await isUsable()).toBe(false);
    await db
      .update(apiKeys)
      .set({ consent: true })
      .where(eq(apiKeys.id, key?.id ?? ""));
    expect(await isUsable()).toBe(true);
    await db
      .update(apiKeys)
      .set({ revokedAt: new Date() })
      .where(eq(apiKeys.id, key?.id ?? ""));
    expect(await isUsable()).toBe(false);
  });
});

describeEachDatabase("feedback", (home) => {
  it("is one per answer and person, editable, and shown with the answer", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { conversationId, question, answer } = await exchange(call, "hello");
    const messageId = answer.id;
    await call.feedback.give({ messageId, thumb: -1, tags: ["incorrect", "tooLong"], comment: "no" });
    await call.feedback.give({ messageId, thumb: 1, tags: [] });
    const given = await call.feedback.give({ messageId, correction: "It is \0 so." });
    expect(given).toMatchObject({ thumb: 1, tags: [], comment: "no", correction: "It is \ufffd so." });
    const tree = await call.conversations.get({ conversationId });
    expect(tree.messages.map(({ feedback }) => feedback?.comment ?? null)).toEqual([null, "no"]);
    await expect(call.feedback.give({ messageId: question.id, thumb: 1 })).rejects.toThrow("no such answer");
    await call.feedback.clear({ messageId });
    expect((await call.conversations.get({ conversationId })).messages[1]?.feedback).toBeNull();
  });

  it("compares two answers to one question, and no others", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const first = await exchange(call, "hello");
    const newMessageId = randomUUID();
    const other = await call.chat.regenerate({ messageId: first.answer.id, newMessageId });
    const elsewhere = await exchange(call, "hello");
    const compare = (comparedToId: string) =>
      call.feedback.give({ messageId: other.id, comparison: { comparedToId, verdict: "better" } });
    expect((await compare(first.answer.id)).comparison).toEqual({
      comparedToId: first.answer.id,
      verdict: "better",
    });
    for (const wrong of [other.id, elsewhere.answer.id, randomUUID()]) {
      await expect(compare(wrong)).rejects.toThrow("same question");
    }
    await finished(call, newMessageId);
  });

  it("compares no two answers that follow no question", async () => {
    await using server = await chatServer();
    const [ann, bob] = [await newChatter(server.db), await newChatter(server.db, "Bob")];
    const supply = async (userId: string) => {
      const [conversation] = await server.db.insert(conversations).values({ userId }).returning();
      const [answer] = await server.db
        .insert(messages)
        .values({
          conversationId: conversation?.id ?? "",
          role: "assistant",
          content: "x",
          status: "supplied",
        })
        .returning();
      return answer?.id ?? "";
    };
    const [mine, foreign] = [await supply(ann.userId), await supply(bob.userId)];
    await expect(
      ann.call.feedback.give({
        messageId: mine,
        comparison: { comparedToId: foreign, verdict: "better" },
      }),
    ).rejects.toThrow("Only two answers to the same question");
  });

  it("offers its reasons in words", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const reasons = await call.feedback.reasons();
    expect(reasons.filter(({ thumb }) => thumb === -1).length).toBeGreaterThan(3);
    expect(new Set(reasons.map(({ tag }) => tag)).size).toBe(reasons.length);
  });
});
