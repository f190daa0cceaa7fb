/** @file Asking and answering through procedures, with real engine processes: the life of one answer. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { conversations, messages } from "@/drizzle/schema";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { markUnfinishedInterrupted } from "@/server/domain/messages";
import { maxAnswersPerUser } from "@/server/generation/admission";
import { chatServer, shownText, streamedText } from "../../helpers/chat-server";
import { begun, exchange, finished, follow, newChatter, send, watch } from "../../helpers/chatting";
import { writeFakeCheckpoint } from "../../helpers/fake-checkpoint";
import { waitUntil } from "../../helpers/fake-generation";
import { fakeAnswer } from "../../helpers/fake-generator";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase } from "../../helpers/test-database";

describeEachDatabase("answers", (home) => {
  it("stores question and answer, with what made it", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const question = "hello [tokens=20]";
    const { conversationId, answer } = await exchange(call, question);
    expect(answer).toMatchObject({
      content: fakeAnswer(question),
      status: "complete",
      checkpoint: { id: server.checkpointId, name: "fake-1" },
      responseTokens: 20,
    });
    const tree = await call.conversations.get({ conversationId });
    expect(tree.messages.map(({ role, content }) => [role, content])).toEqual([
      ["user", question],
      ["assistant", fakeAnswer(question)],
    ]);
    expect(tree.conversation.activeLeafId).toBe(answer.id);
    const [row] = await server.db.select().from(messages).where(eq(messages.id, answer.id));
    expect(row?.tokenIds).toHaveLength(20);
    expect(row?.logprobs).toEqual(Array(20).fill(-0.5));
    expect(await call.models.explainAnswer({ messageId: answer.id })).toMatchObject({
      channel: "live",
      lineage: [{ id: server.checkpointId, name: "fake-1", stage: "base" }],
      sampling: { temperature: 0.6 },
      seed: row?.seed,
      responseTokens: 20,
    });
  });

  it("goes on without any reader, and persists while it grows", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await send(call, "[tokens=400] [delay=5]");
    const stored = async () => (await server.db.select().from(messages).where(eq(messages.id, answer.id)))[0];
    await waitUntil(async () => ((await stored())?.content.length ?? 0) > 20);
    const early = await stored();
    expect(early?.status).toBe("streaming");
    expect(early?.finishedAt).toBeNull();
    expect(early?.tokenIds?.length).toBe(early?.content.split(" ").length);
    expect(fakeAnswer("[tokens=400] [delay=5]").startsWith(early?.content ?? "-")).toBe(true);
    expect((await finished(call, answer.id)).status).toBe("complete");
  });

  it("shows two readers the same text, one of them late", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await send(call, "[tokens=60] [delay=5]");
    const first = watch(call, answer.id);
    await begun(call, answer.id);
    const second = await watch(call, answer.id);
    const texts = [streamedText((await first).updates), streamedText(second.updates)];
    expect(texts).toEqual(Array(2).fill(fakeAnswer("[tokens=60] [delay=5]")));
    expect(second.updates[0]).toMatchObject({ type: "snapshot", status: "streaming" });
  });

  it("loses and doubles nothing when a reader comes back, wherever it was cut", async () => {
    await using server = await chatServer({ home, slots: 8 });
    const { call } = await newChatter(server.db);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 5, max: 60 }),
        async (cuts, tokens) => {
          const question = `${randomUUID()} [tokens=${tokens}] [delay=1]`;
          const { answer } = await send(call, question);
          let text = "";
          let lastEventId: string | null = null;
          let message = null;
          // Reads a few updates, goes away, comes back with the last id; at last reads to the end.
          for (const cut of [...cuts, Number.POSITIVE_INFINITY]) {
            let read = 0;
            for await (const [id, update] of follow(call, answer.id, lastEventId)) {
              lastEventId = id;
              if (update.type === "snapshot") {
                // All of it again is right only for a reader who has nothing.
                expect(text).toBe("");
                text = update.text;
              }
              if (update.type === "delta") text += update.text;
              if (update.type === "ended") message = update.message;
              if (++read >= cut) break;
            }
          }
          expect(message?.content).toBe(fakeAnswer(question));
          // What ended between two visits comes with the message; what was streamed is a true beginning of it.
          expect(fakeAnswer(question).startsWith(text)).toBe(true);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("gives a reader with a foreign position the whole text", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await send(call, "[tokens=40] [delay=10]");
    await begun(call, answer.id);
    const { updates } = await watch(call, answer.id, "another-run:7");
    expect(updates[0]?.type).toBe("snapshot");
    expect(shownText(updates)).toBe(fakeAnswer("[tokens=40] [delay=10]"));
  });

  it("gives a reader of an ended answer its end at once", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await exchange(call, "hello");
    const { updates } = await watch(call, answer.id, "whatever:3");
    expect(updates).toEqual([{ type: "ended", message: answer }]);
  });

  it("stops within a token, keeps the text, and continues where it stopped", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const question = "[tokens=100] [delay=10]";
    const { answer } = await send(call, question);
    await begun(call, answer.id);
    const stopped = await call.chat.stop({ messageId: answer.id });
    expect(stopped.status).toBe("stopped");
    expect(stopped.content).not.toBe("");
    expect(fakeAnswer(question).startsWith(stopped.content)).toBe(true);
    await call.chat.continue({ messageId: answer.id });
    const continued = await finished(call, answer.id);
    expect(continued).toMatchObject({ id: answer.id, status: "complete", responseTokens: 100 });
    expect(continued.content).toBe(fakeAnswer(question));
    await expect(call.chat.continue({ messageId: answer.id })).rejects.toThrow("complete");
  });

  it("marks an answer cut by its token limit, and continues it", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const first = await exchange(call, "hello");
    await call.conversations.change({
      conversationId: first.conversationId,
      sampling: { maxTokens: 5 },
    });
    const question = "more [tokens=8]";
    const { answer } = await exchange(call, question, {
      conversationId: first.conversationId,
      parentId: first.answer.id,
    });
    expect(answer).toMatchObject({ status: "length", responseTokens: 5 });
    await call.chat.continue({ messageId: answer.id });
    expect((await finished(call, answer.id)).content).toBe(fakeAnswer(question));
  });

  it("keeps the text of a crashed engine, says what to do, and retries in place", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await exchange(call, "[tokens=40] [delay=5] [crash=10]");
    expect(answer.status).toBe("failed");
    expect(answer.error).toMatch(/started again.*try again/i);
    expect(answer.content.split(" ")).toHaveLength(10);
    const retried = await call.chat.retry({ messageId: answer.id });
    expect(retried).toMatchObject({ id: answer.id, content: "", error: null });
    expect((await finished(call, answer.id)).status).toBe("failed");
  });

  it("tells nobody the text of an unknown error", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await exchange(call, "[fail=3]");
    expect(answer.status).toBe("failed");
    expect(answer.error).not.toContain("asked to fail");
  });

  it("marks what a killed server left, on the next start", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await exchange(call, "hello");
    await server.db
      .update(messages)
      .set({ status: "streaming", finishedAt: null })
      .where(eq(messages.id, answer.id));
    expect(await markUnfinishedInterrupted(server.db)).toBe(1);
    const [reloaded] = (await watch(call, answer.id)).updates;
    expect(reloaded).toMatchObject({
      type: "ended",
      message: { status: "interrupted", content: answer.content },
    });
  });

  it("interrupts what still runs at shutdown and keeps its text", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await send(call, "[tokens=1000] [delay=10]");
    await begun(call, answer.id);
    expect(await server.chat.answers.interrupt(5_000)).toBe(1);
    const message = await finished(call, answer.id);
    expect(message.status).toBe("interrupted");
    expect(message.content).not.toBe("");
  });

  it("reports how much of a message was cut that alone did not fit the context", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await send(call, "[cut=1234] [tokens=30] [delay=5]");
    const { updates } = await watch(call, answer.id);
    expect(updates.some((update) => "cutCharacters" in update && update.cutCharacters === 1234)).toBe(true);
    expect(updates.at(-1)).toMatchObject({ message: { cutCharacters: 1234 } });
    const [reloaded] = (await watch(call, answer.id)).updates;
    expect(reloaded).toMatchObject({ message: { cutCharacters: 1234 } });
    expect(await call.models.explainAnswer({ messageId: answer.id })).toMatchObject({ cutCharacters: 1234 });
  });

  it("reports turns that did not fit the context", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { answer } = await send(call, "[dropped=3] [tokens=30] [delay=5]");
    const { updates } = await watch(call, answer.id);
    expect(updates.some((update) => "droppedTurns" in update && update.droppedTurns === 3)).toBe(true);
    expect(updates.at(-1)).toMatchObject({ message: { droppedTurns: 3 } });
  });

  it("stores text that the database could not hold as it is", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    const { question } = await exchange(call, "zero \0 and half a pair \ud83d end 🦊");
    expect(question.content).toBe("zero \ufffd and half a pair \ufffd end 🦊");
  });

  it("refuses a message of 1 MB, naming the limit, and stores nothing", async () => {
    await using server = await chatServer({ home });
    const { call } = await newChatter(server.db);
    await expect(send(call, "x".repeat(1024 * 1024))).rejects.toThrow(/100,000 characters.*1,048,576/);
    await expect(send(call, "   ")).rejects.toThrow("empty");
    expect(await server.db.$count(conversations)).toBe(0);
  });

  it("answers 50 parallel chats of one person up to their share, others beside them, and loses none it took", async () => {
    await using server = await chatServer({ home, slots: 4 });
    const [ann, bob] = [await newChatter(server.db), await newChatter(server.db, "Bob")];
    const sent = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => send(ann.call, `${index} [tokens=30] [delay=10]`)),
    );
    const other = await exchange(bob.call, "me too [tokens=3]");
    expect(other.answer.status).toBe("complete");
    const taken = sent.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const refused = sent.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));
    expect(taken.length).toBeGreaterThanOrEqual(maxAnswersPerUser);
    expect(taken.length + refused.length).toBe(50);
    expect(new Set(refused.map((reason) => reason.includes("answers in the making")))).toEqual(
      new Set([true]),
    );
    const ends = await Promise.all(taken.map(({ answer }) => finished(ann.call, answer.id)));
    for (const end of ends) expect(end.status).toBe("complete");
    // Refused ones left nothing behind.
    expect(await server.db.$count(conversations)).toBe(taken.length + 1);
  });
});

describe("sending twice", () => {
  it("makes one exchange of the same message id, one after the other and at once", async () => {
    await using server = await chatServer();
    const { call } = await newChatter(server.db);
    const messageId = randomUUID();
    const twins = await Promise.all([send(call, "hello", { messageId }), send(call, "hello", { messageId })]);
    const third = await send(call, "hello", { messageId });
    expect(new Set([...twins, third].map(({ answer }) => answer.id)).size).toBe(1);
    expect(await server.db.$count(messages)).toBe(2);
    expect(await server.db.$count(conversations)).toBe(1);
    await finished(call, third.answer.id);
  });

  it("makes one sibling of the same regenerate", async () => {
    await using server = await chatServer();
    const { call } = await newChatter(server.db);
    const { answer } = await exchange(call, "hello");
    const newMessageId = randomUUID();
    const again = () => call.chat.regenerate({ messageId: answer.id, newMessageId });
    await Promise.all([again(), again()]);
    expect(await server.db.$count(messages)).toBe(3);
    await finished(call, newMessageId);
  });

  it("frees the person's place when nothing was started", async () => {
    await using server = await chatServer();
    const { call } = await newChatter(server.db);
    for (let attempt = 0; attempt < maxAnswersPerUser + 2; attempt++) {
      await expect(send(call, "hi", { conversationId: randomUUID() })).rejects.toThrow(
        "There is no such conversation",
      );
    }
    expect((await exchange(call, "still possible")).answer.status).toBe("complete");
  });
});

async function collect<T>(updates: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const update of updates) all.push(update);
  return all;
}

it("a checkpoint that no channel points to answers admins alone, whatever they ask by", async () => {
  await using server = await chatServer();
  const { db, dataFolder } = server;
  const candidate = await registerCheckpoint(db, await writeFakeCheckpoint(dataFolder, "fake-2"), dataFolder);
  const messages = [{ role: "user" as const, content: "hi" }];
  const ids = () => ({ messageId: randomUUID(), newMessageId: randomUUID() });
  const members: Parameters<typeof makePerson>[1][] = [
    { role: "user" },
    { role: "labeler" },
    { role: "user", grants: ["auditor"] },
  ];
  for (const member of members) {
    const call = callerFor(db, await makePerson(db, member));
    const { question, answer } = await exchange(call, "hello");
    // One that does not exist is refused in the same words: nobody learns what there is.
    for (const checkpointId of [candidate, "made up"]) {
      const refused = { code: "FORBIDDEN", message: expect.stringMatching(/talk to the live policy only/) };
      const first = { ...ids(), conversationId: null, parentId: null, content: "hi", checkpointId };
      await expect(call.chat.temporary({ messages, checkpointId })).rejects.toMatchObject(refused);
      await expect(call.chat.send(first)).rejects.toMatchObject(refused);
      const again = { ...ids(), messageId: question.id, content: "hi", checkpointId };
      await expect(call.chat.edit(again)).rejects.toMatchObject(refused);
      await expect(call.chat.regenerate({ ...again, messageId: answer.id })).rejects.toMatchObject(refused);
    }
    const live = await call.chat.temporary({ messages, checkpointId: server.checkpointId });
    expect((await collect(live)).at(-1)).toMatchObject({ status: "complete" });
  }
  const admin = callerFor(db, await makePerson(db, { role: "admin" }));
  const asked = await collect(await admin.chat.temporary({ messages, checkpointId: candidate }));
  expect(asked).toContainEqual(
    expect.objectContaining({ type: "started", checkpoint: expect.objectContaining({ id: candidate }) }),
  );
});

describe("temporary chats", () => {
  it("set up no engine for a checkpoint that does not exist", async () => {
    await using server = await chatServer();
    const call = callerFor(server.db, await makePerson(server.db, { role: "admin" }));
    const asked = await call.chat.temporary({
      messages: [{ role: "user", content: "hi" }],
      checkpointId: "made up",
    });
    await expect(asked.next()).rejects.toThrow("There is no such checkpoint");
    expect(server.chat.generation.status().map(({ checkpointId }) => checkpointId)).toEqual([
      server.checkpointId,
    ]);
  });

  it("answer without storing anything", async () => {
    await using server = await chatServer();
    const { call } = await newChatter(server.db);
    const question = "secret [tokens=9] [dropped=1]";
    let text = "";
    const kinds: string[] = [];
    for await (const update of await call.chat.temporary({
      messages: [{ role: "user", content: question }],
    })) {
      kinds.push(update.type);
      if (update.type === "delta") text += update.text;
      if (update.type === "started") {
        expect(update).toMatchObject({ droppedTurns: 1, checkpoint: { name: "fake-1" } });
      }
      if (update.type === "ended") expect(update.status).toBe("complete");
    }
    expect(text).toBe(fakeAnswer(question));
    expect(kinds.at(-1)).toBe("ended");
    expect(await server.db.$count(messages)).toBe(0);
    expect(await server.db.$count(conversations)).toBe(0);
  });

  it("end with an error in words when the engine dies", async () => {
    await using server = await chatServer();
    const { call } = await newChatter(server.db);
    const updates = [];
    for await (const update of await call.chat.temporary({
      messages: [{ role: "user", content: "[crash=2]" }],
    })) {
      updates.push(update);
    }
    expect(updates.at(-1)).toMatchObject({ type: "ended", status: "failed" });
  });

  it("stop generating when the reader leaves", async () => {
    await using server = await chatServer();
    const { call } = await newChatter(server.db);
    for await (const update of await call.chat.temporary({
      messages: [{ role: "user", content: "[tokens=10000] [delay=5]" }],
    })) {
      if (update.type === "delta") break;
    }
    await waitUntil(() => server.chat.generation.status()[0]?.running === 0, 1_000);
  });
});
