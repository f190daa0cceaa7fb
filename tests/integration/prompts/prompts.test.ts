/** @file The rules of prompts, on a real database: masks, near-duplicates, limits, splits, consent, erasure. */
import { and, eq, ne, sql } from "drizzle-orm";
import { expect, it } from "vitest";
import {
  auditLog,
  conversations,
  demonstrations,
  feedback,
  guidelines,
  messages,
  prompts,
  responses,
  users,
} from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { deleteAccount } from "@/server/domain/account";
import { exportAccount } from "@/server/domain/account-data";
import { answerConsent } from "@/server/domain/consent";
import { deleteConversation, undoWindowMs } from "@/server/domain/conversations";
import { sweepConversations } from "@/server/domain/conversations-sweep";
import {
  addPrompt,
  maxPromptCharacters,
  maxPromptsPerOwner,
  type NewPrompt,
} from "@/server/domain/prompts/add-prompt";
import { collectPrompts, priorities } from "@/server/domain/prompts/collect-prompts";
import { reportPrompt, restorePrompt, setPromptSensitive } from "@/server/domain/prompts/steer-prompts";
import { sweepUploads } from "@/server/domain/prompts/upload-prompts";
import { isUsablePrompt } from "@/server/domain/prompts/usable-prompts";
import { giveThumb, makeExchange, makeOwner } from "../../helpers/prompting";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const add = (db: Db, content: string, rest: Partial<NewPrompt> = {}) =>
  addPrompt(db, {
    source: "upload",
    messages: [{ role: "user", content }],
    ownerId: null,
    createdBy: null,
    ...rest,
  });

const usableIds = async (db: Db) =>
  (await db.select({ id: prompts.id }).from(prompts).where(isUsablePrompt)).map(({ id }) => id);

const readPrompt = async (db: Db, id: string) => {
  const [row] = await db.select().from(prompts).where(eq(prompts.id, id));
  if (!row) throw new Error(`No prompt ${id}`);
  return row;
};

const collect = (db: Db, limit?: number) => collectPrompts(db, { actorId: null, ...(limit && { limit }) });

describeEachDatabase("a prompt", (home) => {
  it("loses personal data in every turn, and what was masked is counted", async () => {
    await using t = await testDatabase(home);
    const { promptId } = await add(t.db, "", {
      messages: [
        { role: "system", content: "You answer for ann@example.org." },
        { role: "user", content: "I am at 221B Baker Street, call +44 20 7946 0958 or bob@example.org" },
      ],
    });
    const row = await readPrompt(t.db, promptId);
    expect(row.messages.map(({ content }) => content)).toEqual([
      "You answer for [email].",
      "I am at [address], call [phone] or [email]",
    ]);
    expect(row.masked).toEqual({ email: 2, phone: 1, address: 1 });
    expect(row.foldedText).not.toContain("example.org");
  });

  it("is put aside where one like it is there: alike in 80 % of the longer one, 40 characters at least", async () => {
    await using t = await testDatabase(home);
    const long = "Explain to a child of ten years why the sky is blue and the sunset red.";
    const first = await add(t.db, long);
    expect(first.status).toBe("ready");
    for (const alike of [
      long,
      `  ${long.toUpperCase()}\n`,
      `${long} Please!`,
      long.slice(0, -8),
      `${long.slice(0, 60)} golden.`,
    ]) {
      expect(await add(t.db, alike)).toMatchObject({ removedBy: "duplicate", duplicateOfId: first.promptId });
    }
    for (const other of [
      `${long} Use no word of more than two syllables.`,
      long.slice(0, 45),
      `${long.slice(0, 50)} grass green?`,
      `Now ${long}`,
    ]) {
      expect([other, await add(t.db, other)]).toEqual([other, expect.objectContaining({ status: "ready" })]);
    }
  });

  it("is no duplicate for being short and alike, or for a shared system prompt", async () => {
    await using t = await testDatabase(home);
    expect((await add(t.db, "What is 2 + 2?")).status).toBe("ready");
    expect((await add(t.db, "What is 2 + 3?")).status).toBe("ready");
    expect((await add(t.db, "what is  2 + 2?")).removedBy).toBe("duplicate");
    const system = { role: "system", content: "You are a helpful assistant. ".repeat(60) } as const;
    const ask = (content: string) => add(t.db, "", { messages: [system, { role: "user", content }] });
    expect((await ask("Name three rivers of Europe.")).status).toBe("ready");
    expect((await ask("Write a limerick about moss.")).status).toBe("ready");
    expect((await ask("Write a limerick about moss.")).removedBy).toBe("duplicate");
  });

  it("finds its like beyond the 400 characters of the index, and among signs outside the basic plane", async () => {
    await using t = await testDatabase(home);
    const words = (from: number) => Array.from({ length: 400 }, (_, i) => `w${from + i}`).join(" ");
    const head = words(0);
    const one = await add(t.db, `${head} ${words(1000)}`);
    expect((await add(t.db, `${head} ${words(5000)}`)).status).toBe("ready");
    expect(await add(t.db, `${head} ${words(1000)} and more`)).toMatchObject({ duplicateOfId: one.promptId });
    const smile = await add(t.db, `${"😀🎉".repeat(30)}?`);
    expect(await add(t.db, `${"😀🎉".repeat(30)}!`)).toMatchObject({ duplicateOfId: smile.promptId });
    expect((await add(t.db, `half a pair \ud800 ${"x".repeat(maxPromptCharacters)}`)).removedBy).toBe(
      "tooLong",
    );
  });

  it("that repeats one put aside or withdrawn is taken; one that repeats a reported one is not", async () => {
    await using t = await testDatabase(home);
    const owner = await makeOwner(t.db);
    const text = "Tell me everything about the migration of arctic terns.";
    await makeExchange(t.db, { userId: owner.id, question: text });
    await collect(t.db);
    expect((await add(t.db, text)).removedBy).toBe("duplicate");
    await answerConsent(t.db, { userId: owner.id, granted: false });
    const second = await add(t.db, text);
    expect(second.status).toBe("ready");
    await reportPrompt(t.db, { promptId: second.promptId, actorId: owner.id, reason: "harmful" });
    expect((await add(t.db, text)).duplicateOfId).toBe(second.promptId);
  });

  it("beyond 200 of one person is put aside; others are not counted", async () => {
    await using t = await testDatabase(home);
    const [ann, bob] = [await makePerson(t.db), await makePerson(t.db)];
    await t.db.insert(prompts).values(
      Array.from({ length: maxPromptsPerOwner - 1 }, (_, i) => ({
        source: "labeler" as const,
        messages: [],
        foldedText: `n ${i}`,
        split: "train" as const,
        ownerId: ann.id,
      })),
    );
    expect((await add(t.db, "the last one", { ownerId: ann.id })).status).toBe("ready");
    expect((await add(t.db, "one too many", { ownerId: ann.id })).removedBy).toBe("ownerLimit");
    expect((await add(t.db, "another person's", { ownerId: bob.id })).status).toBe("ready");
    expect((await add(t.db, "nobody's")).status).toBe("ready");
  });

  it("that is too long is put aside, kept in part, and never restored", async () => {
    await using t = await testDatabase(home);
    const actor = await makePerson(t.db, { role: "admin" });
    const made = await add(t.db, `${"long ".repeat(maxPromptCharacters / 5)}end`);
    expect(made.removedBy).toBe("tooLong");
    const row = await readPrompt(t.db, made.promptId);
    expect(row.messages[0]?.content.length).toBe(maxPromptCharacters);
    await expect(restorePrompt(t.db, { promptId: made.promptId, actorId: actor.id })).rejects.toThrow(
      /too long/,
    );
  });

  it("falls into one split with everything of its owner", async () => {
    await using t = await testDatabase(home);
    for (let person = 0; person < 6; person++) {
      const { id } = await makePerson(t.db);
      for (let i = 0; i < 5; i++) await add(t.db, `person ${person} asks ${i}`, { ownerId: id });
    }
    const rows = await t.db
      .select({ splits: sql<number>`count(distinct ${prompts.split})::int`, n: sql<number>`count(*)::int` })
      .from(prompts)
      .groupBy(prompts.ownerId);
    expect(rows).toEqual(Array.from({ length: 6 }, () => ({ splits: 1, n: 5 })));
  });

  it("is refused where it is no conversation that ends with a question", async () => {
    await using t = await testDatabase(home);
    const user = { role: "user", content: "a" } as const;
    const cases: [NewPrompt["messages"], RegExp][] = [
      [[], /no turn/],
      [[user, { role: "assistant", content: "b" }], /does not end/],
      [[user, { role: "system", content: "s" }, user], /system prompt at turn 2/],
      [[{ role: "user", content: " " }], /empty turn \(number 1\)/],
    ];
    for (const [turns, reason] of cases) {
      await expect(add(t.db, "", { messages: turns })).rejects.toThrow(reason);
    }
    expect(await t.db.$count(prompts)).toBe(0);
  });
});

describeEachDatabase("collecting", (home) => {
  it("takes answered turns of those who agree, each once, disliked ones first with the disliked answer", async () => {
    await using t = await testDatabase(home);
    const ann = await makeOwner(t.db);
    const plain = await makeExchange(t.db, { userId: ann.id, question: "A plain question" });
    const liked = await makeExchange(t.db, { userId: ann.id, question: "A liked one" });
    const disliked = await makeExchange(t.db, {
      userId: ann.id,
      question: "A disliked one",
      answers: ["bad, call +44 20 7946 0958", "fine"],
      conversation: { systemPrompt: "Be brief." },
    });
    await giveThumb(t.db, { userId: ann.id, messageId: liked.answerIds[0] ?? "", thumb: 1 });
    await giveThumb(t.db, { userId: ann.id, messageId: disliked.answerIds[0] ?? "", thumb: -1 });
    expect(await collect(t.db, 1)).toEqual({ ready: 1, removed: 0, responses: 1, hasMore: true });
    expect(await t.db.select({ messageId: prompts.messageId }).from(prompts)).toEqual([
      { messageId: disliked.questionId },
    ]);
    expect(await collect(t.db)).toEqual({ ready: 2, removed: 0, responses: 0, hasMore: false });
    expect(await collect(t.db)).toEqual({ ready: 0, removed: 0, responses: 0, hasMore: false });
    const rows = await t.db.select().from(prompts);
    const byTurn = new Map(rows.map((row) => [row.messageId, row]));
    expect(byTurn.get(plain.questionId)?.priority).toBe(priorities.none);
    expect(byTurn.get(liked.questionId)?.priority).toBe(priorities.rated);
    expect(byTurn.get(disliked.questionId)).toMatchObject({
      priority: priorities.disliked,
      ownerId: ann.id,
      conversationId: disliked.conversationId,
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "A disliked one" },
      ],
    });
    expect(await t.db.select().from(responses)).toMatchObject([
      {
        promptId: byTurn.get(disliked.questionId)?.id,
        source: "conversation",
        text: "bad, call [phone]",
        messageId: disliked.answerIds[0],
        // Tokens would spell out what was masked.
        tokenIds: null,
        logprobs: null,
      },
    ]);
  });

  it("takes in what is disliked later: by thumb, as worse, or because another was better", async () => {
    await using t = await testDatabase(home);
    const { id: userId } = await makeOwner(t.db);
    const [one, two] = [
      await makeExchange(t.db, { userId, question: "First question", answers: ["a", "b"] }),
      await makeExchange(t.db, { userId, question: "Second question", answers: ["c", "d"] }),
    ];
    await collect(t.db);
    expect(await t.db.$count(responses)).toBe(0);
    const [a = "", b = ""] = one.answerIds;
    const [c = "", d = ""] = two.answerIds;
    await t.db.insert(feedback).values([
      { userId, messageId: b, comparedToId: a, comparison: "better" },
      { userId, messageId: d, comparedToId: c, comparison: "worse" },
    ]);
    expect(await collect(t.db)).toEqual({ ready: 0, removed: 0, responses: 2, hasMore: false });
    const texts = await t.db.select({ text: responses.text, logprobs: responses.logprobs }).from(responses);
    expect(texts.map(({ text }) => text).sort()).toEqual(["a", "d"]);
    expect(texts[0]?.logprobs).toEqual([-1, -2, -3]);
    expect(await t.db.$count(prompts, eq(prompts.priority, priorities.disliked))).toBe(2);
    const [both] = await Promise.all([collect(t.db), collect(t.db)]);
    expect(both.responses).toBe(0);
  });

  it("takes nothing without consent, nothing deleted, nothing unanswered; a later no or deletion holds at once", async () => {
    await using t = await testDatabase(home);
    const [yes, no] = [await makeOwner(t.db), await makeOwner(t.db, { consent: false })];
    await makeExchange(t.db, { userId: no.id, question: "Not mine to take" });
    await makeExchange(t.db, {
      userId: yes.id,
      question: "This one not",
      conversation: { consent: false },
    });
    await makeExchange(t.db, {
      userId: yes.id,
      question: "Deleted",
      conversation: { deletedAt: new Date() },
    });
    const failed = await makeExchange(t.db, { userId: yes.id, question: "Unanswered" });
    await t.db.update(messages).set({ status: "failed" }).where(eq(messages.parentId, failed.questionId));
    const own = await makeExchange(t.db, {
      userId: no.id,
      question: "But this one",
      conversation: { consent: true },
    });
    expect(await collect(t.db)).toMatchObject({ ready: 1, removed: 0 });
    const [taken] = await usableIds(t.db);
    expect((await readPrompt(t.db, taken ?? "")).messageId).toBe(own.questionId);
    await t.db.update(conversations).set({ consent: null }).where(eq(conversations.id, own.conversationId));
    expect(await usableIds(t.db)).toEqual([]);
    await t.db.update(conversations).set({ consent: true }).where(eq(conversations.id, own.conversationId));
    expect(await usableIds(t.db)).toEqual([taken]);
    await deleteConversation(t.db, { conversationId: own.conversationId, userId: no.id });
    expect(await usableIds(t.db)).toEqual([]);
  });

  it("hastens the prompt that a disliked one repeats", async () => {
    await using t = await testDatabase(home);
    const [ann, bob] = [await makeOwner(t.db), await makeOwner(t.db)];
    await makeExchange(t.db, { userId: ann.id, question: "The same question" });
    await collect(t.db);
    const again = await makeExchange(t.db, { userId: bob.id, question: "the same question" });
    await giveThumb(t.db, { userId: bob.id, messageId: again.answerIds[0] ?? "", thumb: -1 });
    expect(await collect(t.db)).toMatchObject({ ready: 0, removed: 1, responses: 0 });
    const [original] = await t.db.select().from(prompts).where(eq(prompts.status, "ready"));
    expect(original).toMatchObject({ ownerId: ann.id, priority: priorities.disliked });
  });
});

describeEachDatabase("deletion", (home) => {
  /** A prompt of a conversation with a response and a demonstration. */
  async function labeled(db: Db, userId: string) {
    const exchange = await makeExchange(db, {
      userId,
      question: "My secret garden",
      answers: ["It is green"],
    });
    await giveThumb(db, { userId, messageId: exchange.answerIds[0] ?? "", thumb: -1 });
    await collect(db);
    const [prompt] = await db.select().from(prompts).where(eq(prompts.messageId, exchange.questionId));
    if (!prompt) throw new Error("It was not collected.");
    await db.insert(guidelines).values({ version: 1, text: "" }).onConflictDoNothing();
    await db.insert(demonstrations).values({
      promptId: prompt.id,
      pseudonym: "l1",
      text: "Your secret garden is lovely",
      guidelinesVersion: 1,
    });
    return { ...exchange, promptId: prompt.id };
  }

  const expectErased = async (db: Db, promptId: string) => {
    expect(await readPrompt(db, promptId)).toMatchObject({
      status: "erased",
      ownerId: null,
      conversationId: null,
      messageId: null,
      messages: [],
      foldedText: "",
    });
    expect(await db.select({ text: responses.text, logprobs: responses.logprobs }).from(responses)).toEqual([
      { text: "", logprobs: null },
    ]);
    expect(await db.select({ text: demonstrations.text }).from(demonstrations)).toEqual([{ text: "" }]);
    expect(await usableIds(db)).toEqual([]);
  };

  it("of an account erases prompts, responses and demonstrations", async () => {
    await using t = await testDatabase(home);
    const ann = await makeOwner(t.db);
    const { promptId } = await labeled(t.db, ann.id);
    await deleteAccount(t.db, { userId: ann.id, password: "" });
    await expectErased(t.db, promptId);
  });

  it("of a conversation for good erases them too, and until then only withholds them", async () => {
    await using t = await testDatabase(home);
    const ann = await makeOwner(t.db);
    const { promptId, conversationId } = await labeled(t.db, ann.id);
    await deleteConversation(t.db, { conversationId, userId: ann.id });
    await sweepConversations(t.db);
    expect((await readPrompt(t.db, promptId)).status).toBe("ready");
    await sweepConversations(t.db, new Date(Date.now() + undoWindowMs + 1000));
    await expectErased(t.db, promptId);
    await expect(restorePrompt(t.db, { promptId, actorId: ann.id })).rejects.toThrow("no such prompt");
  });

  it("is preceded by an export that holds one's own prompts and nobody else's", async () => {
    await using t = await testDatabase(home);
    const [ann, bob] = [await makeOwner(t.db), await makeOwner(t.db)];
    await labeled(t.db, ann.id);
    await makeExchange(t.db, { userId: bob.id, question: "What Bob asks" });
    await collect(t.db);
    let text = "";
    for await (const part of exportAccount(t.db, ann.id)) text += part;
    const document = JSON.parse(text) as { prompts: { messages: { content: string }[] }[] };
    expect(document.prompts.map(({ messages: [turn] }) => turn?.content)).toEqual(["My secret garden"]);
    expect(text).not.toContain("What Bob asks");
  });
});

describeEachDatabase("leads", (home) => {
  it("see counts and what each rule removed, but no text whose owner does not agree, and nobody's name", async () => {
    await using t = await testDatabase(home);
    const lead = callerFor(t.db, await makePerson(t.db, { role: "labeler", grants: ["labelingLead"] }));
    const ann = await makeOwner(t.db);
    await makeExchange(t.db, { userId: ann.id, question: "Write to ann@example.org about ferns" });
    await lead.prompts.collect();
    await add(t.db, "write to bob@example.org about ferns");
    const before = await lead.prompts.counts();
    expect(before.masked).toEqual({ email: 2 });
    expect(
      before.groups.map(({ source, status, removedBy, count }) => [source, status, removedBy, count]),
    ).toEqual(
      expect.arrayContaining([
        ["conversation", "ready", null, 1],
        ["upload", "removed", "duplicate", 1],
      ]),
    );
    const { prompts: removed } = await lead.prompts.list({
      filter: { removedBy: "duplicate", isMasked: true },
    });
    expect(removed).toMatchObject([
      {
        messages: [{ content: "write to [email] about ferns" }],
        duplicateOf: { messages: [{ content: "Write to [email] about ferns" }] },
      },
    ]);
    await answerConsent(t.db, { userId: ann.id, granted: false });
    const after = await lead.prompts.list({});
    expect(
      after.prompts.map(({ source, messages: text, duplicateOf }) => [
        source,
        text === null,
        duplicateOf?.messages,
      ]),
    ).toEqual([
      ["upload", false, null],
      ["conversation", true, undefined],
    ]);
    expect((await lead.prompts.counts()).withheld).toBe(1);
    expect(JSON.stringify(after)).not.toContain(ann.id);
  });

  it("report, restore and mark as sensitive, each with a row in the audit log", async () => {
    await using t = await testDatabase(home);
    const actor = await makePerson(t.db, { role: "labeler", grants: ["labelingLead"] });
    const lead = callerFor(t.db, actor);
    const { promptId } = await add(t.db, "Something to decide about");
    await lead.prompts.report({ promptId, reason: "personal" });
    await lead.prompts.report({ promptId, reason: "personal" });
    expect(await usableIds(t.db)).toEqual([]);
    await lead.prompts.restore({ promptId });
    await setPromptSensitive(t.db, { promptId, actorId: actor.id, isSensitive: true });
    await lead.prompts.setSensitive({ promptId, isSensitive: true });
    expect(await usableIds(t.db)).toEqual([promptId]);
    const duplicate = await add(t.db, "something to decide about");
    await lead.prompts.restore({ promptId: duplicate.promptId });
    expect(await readPrompt(t.db, duplicate.promptId)).toMatchObject({
      status: "ready",
      duplicateOfId: null,
    });
    const rows = await t.db
      .select({ action: auditLog.action, details: auditLog.details })
      .from(auditLog)
      .where(and(eq(auditLog.actorId, actor.id)))
      .orderBy(auditLog.id);
    expect(rows).toEqual([
      { action: "prompt.reported", details: { reason: "personal" } },
      { action: "prompt.restored", details: { from: "reported" } },
      { action: "prompt.sensitivityChanged", details: { isSensitive: true } },
      { action: "prompt.restored", details: { from: "duplicate" } },
    ]);
  });

  it("upload lines by part, each once; unfit ones are named by line and cost nobody else", async () => {
    await using t = await testDatabase(home);
    const lead = callerFor(t.db, await makePerson(t.db, { role: "admin" }));
    const { importId } = await lead.prompts.startUpload({ name: "set.jsonl", layout: "jsonl" });
    const parts = [
      [
        '{"prompt": "Name a colour"}',
        "nonsense",
        "",
        '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}',
      ],
      [
        '{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Ask"}], "sensitive": true}',
        '{"prompt": "name  a COLOUR"}',
        '{"prompt": 7}',
        "[]",
        '{"prompt": "a", "messages": []}',
        '{"prompt": "mail me at a@b.org", "group": "g"}',
        `{"prompt": "${"x".repeat(1024 * 1024)}"}`,
      ],
    ].map((lines) => `${lines.join("\n")}\n`);
    const send = (part: number) => lead.prompts.addLines({ importId, part, text: parts[part] ?? "" });
    await expect(send(1)).rejects.toThrow(/Part 1 came before part 0/);
    await send(0);
    expect((await send(0)).counts).toMatchObject({ lines: 4, ready: 1, unfit: 2 });
    await send(1);
    const done = await lead.prompts.finishUpload({ importId });
    expect(done.counts).toEqual({
      lines: 11,
      ready: 3,
      duplicate: 1,
      ownerLimit: 0,
      tooLong: 0,
      unfit: 6,
      masked: 1,
    });
    expect(done.faults).toMatchObject([
      { line: 2, reason: "is not JSON" },
      { line: 4, reason: "does not end with a turn of the user" },
      { line: 7, reason: expect.stringMatching(/unfit field prompt/) },
      { line: 8, reason: "is not a JSON object" },
      { line: 9, reason: "must have one of the fields prompt and messages" },
      { line: 11, reason: expect.stringMatching(/a line may have 1048576/) },
    ]);
    expect(await t.db.$count(prompts, eq(prompts.isSensitive, true))).toBe(1);
    await expect(send(2)).rejects.toThrow(/ended/);
    expect((await lead.prompts.uploads())[0]).toMatchObject({ status: "finished", counts: { ready: 3 } });
  });

  it("upload plain text, one prompt a line; an upload given up is closed after a day", async () => {
    await using t = await testDatabase(home);
    const lead = callerFor(t.db, await makePerson(t.db, { role: "admin" }));
    const { importId } = await lead.prompts.startUpload({ name: "set.txt", layout: "text" });
    await lead.prompts.addLines({ importId, part: 0, text: '{"not": "parsed"}\r\nWhat is moss?' });
    const contents = (await lead.prompts.list({})).prompts.map(({ messages: turns }) => turns?.[0]?.content);
    expect(contents.sort()).toEqual(["What is moss?", '{"not": "parsed"}']);
    expect(await sweepUploads(t.db)).toBe(0);
    expect(await sweepUploads(t.db, new Date(Date.now() + 25 * 60 * 60 * 1000))).toBe(1);
    await expect(lead.prompts.finishUpload({ importId })).rejects.toThrow(/ended/);
  });
});

describeEachDatabase("labelers", (home) => {
  it("write prompts in three forms, which are theirs and go with their account", async () => {
    await using t = await testDatabase(home);
    const labeler = await makePerson(t.db, { role: "labeler" });
    const call = callerFor(t.db, labeler);
    await call.prompts.write({ form: "plain", text: "Name a river" });
    const fromUse = {
      form: "useCase" as const,
      systemPrompt: "You help at a bank",
      text: "My card is lost",
    };
    await expect(call.prompts.write({ ...fromUse, useCase: " " })).rejects.toThrow(/use case is empty/);
    const bank = await call.prompts.write({
      ...fromUse,
      useCase: "Customers of a bank (ann@example.org) want help",
    });
    expect(bank.masked).toEqual({ email: 1 });
    const few = await call.prompts.write({
      form: "fewShot",
      instruction: "Translate into French",
      examples: [
        { question: "cat", answer: "chat" },
        { question: "dog", answer: "chien" },
      ],
      text: "horse",
    });
    expect(await readPrompt(t.db, few.promptId)).toMatchObject({
      source: "labeler",
      form: "fewShot",
      ownerId: labeler.id,
      createdBy: labeler.id,
      messages: [
        { role: "system", content: "Translate into French" },
        { role: "user", content: "cat" },
        { role: "assistant", content: "chat" },
        { role: "user", content: "dog" },
        { role: "assistant", content: "chien" },
        { role: "user", content: "horse" },
      ],
    });
    expect(await call.prompts.write({ form: "plain", text: "name a RIVER" })).toMatchObject({
      removedBy: "duplicate",
    });
    await expect(
      call.prompts.write({
        form: "fewShot",
        instruction: "i",
        examples: [{ question: "q", answer: "a" }],
        text: "t",
      }),
    ).rejects.toThrow(/two examples/);
    const own = await call.prompts.own();
    expect(own.map(({ form, status, tasks }) => [form, status, tasks])).toEqual([
      ["plain", "removed", 0],
      ["fewShot", "ready", 0],
      ["useCase", "ready", 0],
      ["plain", "ready", 0],
    ]);
    expect(own[2]?.useCase).toBe("Customers of a bank ([email]) want help");
    expect(await callerFor(t.db, await makePerson(t.db, { role: "labeler" })).prompts.own()).toEqual([]);
    const lead = callerFor(t.db, await makePerson(t.db, { grants: ["labelingLead"] }));
    expect((await lead.prompts.list({})).prompts[2]?.useCase).toBe(own[2]?.useCase);
    await t.db.delete(users).where(eq(users.id, labeler.id));
    expect(await t.db.$count(prompts, eq(prompts.status, "erased"))).toBe(4);
    expect(await t.db.$count(prompts, ne(prompts.useCase, ""))).toBe(0);
  });
});
