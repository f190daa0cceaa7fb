/** @file Histories from elsewhere in one's own account: trees kept, faults named, and never used without being asked anew. */
import fs from "node:fs";
import path from "node:path";
import { and, eq } from "drizzle-orm";
import { expect, it } from "vitest";
import { auditLog, consentEvents, conversations, imports, messages, prompts } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { answerConsent } from "@/server/domain/consent";
import { importHistory } from "@/server/domain/histories/import-history";
import { collectPrompts } from "@/server/domain/prompts/collect-prompts";
import { changeSettings } from "@/server/domain/settings";
import { isUsableConversation } from "@/server/domain/usable-conversations";
import { makeOwner } from "../../helpers/prompting";
import { callerFor } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const read = (name: string) => fs.readFileSync(path.join("tests/fixtures/histories", name), "utf8");

async function* pieces(text: string) {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += 100) yield bytes.subarray(start, start + 100);
}

const bring = (db: Db, userId: string, text: string) => importHistory(db, { userId, bytes: pieces(text) });
const countUsable = (db: Db) => db.$count(conversations, isUsableConversation);

describeEachDatabase("an imported history", (home) => {
  it("becomes conversations with their branches; what is broken is named by number; again it adds nothing", async () => {
    await using t = await testDatabase(home);
    const ann = await makeOwner(t.db);
    expect(await bring(t.db, ann.id, read("chatgpt.json"))).toEqual({
      conversations: 1,
      messages: 3,
      alreadyHere: 0,
      outdated: 0,
      unfit: 3,
      faults: [
        { line: 2, reason: expect.stringMatching(/ChatGPT/) },
        { line: 3, reason: "has messages that follow one another in a circle" },
        { line: 4, reason: "has no question and no answer in it" },
      ],
    });
    expect(await bring(t.db, ann.id, read("chatgpt.json"))).toMatchObject({
      conversations: 0,
      alreadyHere: 1,
    });
    expect(await bring(t.db, ann.id, read("open-webui.json"))).toMatchObject({
      conversations: 2,
      messages: 5,
    });
    expect(await bring(t.db, ann.id, read("librechat-tree.json"))).toMatchObject({ conversations: 1 });
    const call = callerFor(t.db, ann);
    const { conversations: list } = await call.conversations.list({});
    expect(list.map(({ title, source }) => [title, source])).toEqual([
      ["Bread", "import"],
      ["Trees", "import"],
      ["Sky colours", "import"],
      ["Old layout", "import"],
    ]);
    const sky = await call.conversations.get({ conversationId: list[2]?.id ?? "" });
    const [question, ...answers] = sky.messages;
    expect(answers.map(({ parentId, status, checkpoint }) => [parentId, status, checkpoint])).toEqual([
      [question?.id, "supplied", null],
      [question?.id, "supplied", null],
    ]);
    const active = answers.find(({ id }) => id === sky.conversation.activeLeafId);
    expect(active?.content).toBe("Because of Rayleigh scattering.");
    expect(sky.conversation.createdAt).toEqual(new Date(1712345678500));
  });

  it("is not used because the account agrees: it is asked anew, and a no of the account holds for it too", async () => {
    await using t = await testDatabase(home);
    const ann = await makeOwner(t.db, { consent: true });
    const call = callerFor(t.db, ann);
    await bring(t.db, ann.id, read("open-webui.json"));
    expect(await countUsable(t.db)).toBe(0);
    await answerConsent(t.db, { userId: ann.id, granted: true });
    await collectPrompts(t.db, { actorId: null });
    expect(await t.db.$count(prompts)).toBe(0);
    expect(await call.account.imports()).toMatchObject({ conversations: 2, usable: 0 });
    expect(await call.account.answerImports({ granted: true })).toMatchObject({
      conversations: 2,
      usable: 2,
    });
    expect(await countUsable(t.db)).toBe(2);
    expect(await t.db.$count(consentEvents, eq(consentEvents.granted, true))).toBe(3);
    expect(await collectPrompts(t.db, { actorId: null })).toMatchObject({ ready: 2 });
    await answerConsent(t.db, { userId: ann.id, granted: false });
    await answerConsent(t.db, { userId: ann.id, granted: true });
    expect(await countUsable(t.db)).toBe(0);
  });

  it("is its owner's alone", async () => {
    await using t = await testDatabase(home);
    const [ann, bob] = [await makeOwner(t.db), await makeOwner(t.db)];
    await bring(t.db, ann.id, read("librechat-flat.json"));
    await callerFor(t.db, bob).account.answerImports({ granted: true });
    expect(await callerFor(t.db, bob).account.imports()).toEqual({ conversations: 0, usable: 0, files: [] });
    expect(await countUsable(t.db)).toBe(0);
    const [row] = await t.db.select().from(imports);
    expect(row).toMatchObject({ createdBy: ann.id, layout: "libreChat", status: "finished" });
    expect(
      await t.db.$count(auditLog, and(eq(auditLog.action, "history.imported"), eq(auditLog.actorId, ann.id))),
    ).toBe(1);
  });

  it("that breaks off keeps what came before; a file of something else is refused", async () => {
    await using t = await testDatabase(home);
    const ann = await makeOwner(t.db);
    const text = read("chatgpt.json");
    await expect(bring(t.db, ann.id, text.slice(0, text.indexOf('"Broken"')))).rejects.toThrow(
      /middle of item 2/,
    );
    expect(await t.db.$count(messages)).toBe(3);
    await expect(bring(t.db, ann.id, '[{"some": "thing"}]')).rejects.toThrow(/no export of ChatGPT/);
    const rows = await t.db
      .select({ status: imports.status, reason: imports.reason })
      .from(imports)
      .orderBy(imports.createdAt);
    expect(rows.map(({ status }) => status)).toEqual(["failed", "failed"]);
  });

  it("leaves out what this server would not keep, and messages no conversation may hold", async () => {
    await using t = await testDatabase(home);
    const ann = await makeOwner(t.db);
    await changeSettings(t.db, { actorId: null, change: { retentionDays: 30 } });
    expect(await bring(t.db, ann.id, read("librechat-tree.json"))).toMatchObject({
      conversations: 0,
      outdated: 1,
    });
    const long = {
      conversationId: "c",
      messages: [{ messageId: "m", isCreatedByUser: true, text: "x".repeat(100_001) }],
    };
    expect(await bring(t.db, ann.id, JSON.stringify(long))).toMatchObject({
      unfit: 1,
      faults: [{ line: 1, reason: "has a message of 100001 characters; 100000 may be" }],
    });
  });
});
