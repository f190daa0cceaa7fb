/** @file One's own account: password, sessions, consent, keys, export, deletion. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import {
  accounts,
  apiKeys,
  checkpoints,
  consentEvents,
  conversations,
  messages,
  sessions,
  users,
} from "@/drizzle/schema";
import { hashPassword, verifyPassword } from "@/server/auth/passwords";
import type { Db } from "@/server/db/db";
import { exportAccount } from "@/server/domain/account-data";
import { setPassword } from "@/server/domain/account-password";
import { authenticateApiKey } from "@/server/domain/api-keys";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const password = "the first password";

async function setUp(db: Db) {
  const bob = await makePerson(db, { name: "Bob" });
  const passwordHash = await hashPassword(password);
  await db.transaction((tx) => setPassword(tx, bob.id, passwordHash));
  const opened = await db
    .insert(sessions)
    .values(
      [1, 2, 3].map(() => ({
        userId: bob.id,
        token: randomUUID(),
        expiresAt: new Date(Date.now() + 60_000),
      })),
    )
    .returning({ id: sessions.id });
  const sessionId = opened[0]?.id ?? "";
  return { bob, sessionId, asBob: callerFor(db, bob, { sessionId }) };
}

describeEachDatabase("one's own account", (home) => {
  it("changes its password with the current one; the other sessions end", async () => {
    await using t = await testDatabase(home);
    const { asBob, sessionId } = await setUp(t.db);
    const newPassword = "the second password";
    await expect(asBob.account.changePassword({ currentPassword: "wrong", newPassword })).rejects.toThrow(
      /wrong/,
    );
    await asBob.account.changePassword({ currentPassword: password, newPassword });
    expect(await asBob.account.sessions()).toMatchObject([{ id: sessionId, isCurrent: true }]);
    const [account] = await t.db.select().from(accounts);
    expect(await verifyPassword({ hash: account?.password ?? "", password: newPassword })).toBe(true);
  });

  it("is no place to guess a password from", async () => {
    await using t = await testDatabase(home);
    const { asBob } = await setUp(t.db);
    for (let i = 0; i < 10; i++)
      await expect(asBob.account.delete({ password: `guess ${i}` })).rejects.toThrow(/wrong/);
    await expect(asBob.account.delete({ password })).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
  });

  it("ends its own sessions, and no one else's", async () => {
    await using t = await testDatabase(home);
    const { asBob, sessionId } = await setUp(t.db);
    const eve = await makePerson(t.db);
    const other = (await asBob.account.sessions()).find(({ isCurrent }) => !isCurrent);
    await expect(callerFor(t.db, eve).account.revokeSession({ sessionId: other?.id ?? "" })).rejects.toThrow(
      /ended already/,
    );
    await asBob.account.revokeSession({ sessionId: other?.id ?? "" });
    expect(await asBob.account.revokeOtherSessions()).toEqual({ ended: 1 });
    expect((await asBob.account.sessions()).map(({ id }) => id)).toEqual([sessionId]);
  });

  it("answers the consent question, and keeps every answer", async () => {
    await using t = await testDatabase(home);
    const { asBob } = await setUp(t.db);
    expect((await asBob.account.profile()).consent).toEqual({ granted: false, answeredAt: null });
    await asBob.account.answerConsent({ granted: true });
    await asBob.account.answerConsent({ granted: false });
    expect((await asBob.account.profile()).consent).toMatchObject({
      granted: false,
      answeredAt: expect.any(Date),
    });
    expect((await asBob.account.consentHistory()).map(({ granted }) => granted)).toEqual([false, true]);
  });

  it("makes keys that are shown once, stored hashed, and end when revoked", async () => {
    await using t = await testDatabase(home);
    const { asBob, bob } = await setUp(t.db);
    const { key, apiKey } = await asBob.account.createApiKey({ name: "laptop", consent: true });
    const [row] = await t.db.select().from(apiKeys);
    expect(JSON.stringify(row)).not.toContain(key.slice(4, -4));
    expect(key.endsWith(apiKey.suffix)).toBe(true);
    expect(await authenticateApiKey(t.db, `Bearer ${key}`)).toMatchObject({
      user: { id: bob.id },
      consent: true,
    });
    expect((await asBob.account.apiKeys())[0]?.lastUsedAt).toBeInstanceOf(Date);
    const strange = [
      null,
      "",
      "Bearer",
      `Basic ${key}`,
      `Bearer ${key}x`,
      key,
      "Bearer att_",
      `Bearer ${"a".repeat(9999)}`,
    ];
    for (const header of strange) expect(await authenticateApiKey(t.db, header), String(header)).toBeNull();
    const eve = callerFor(t.db, await makePerson(t.db));
    await expect(eve.account.revokeApiKey({ apiKeyId: apiKey.id })).rejects.toThrow(/no such key/);
    await asBob.account.revokeApiKey({ apiKeyId: apiKey.id });
    expect(await authenticateApiKey(t.db, `Bearer ${key}`)).toBeNull();
  });

  it("changes its address with the password, and not to one that is taken", async () => {
    await using t = await testDatabase(home);
    const { asBob } = await setUp(t.db);
    const eve = await makePerson(t.db);
    await expect(asBob.account.changeEmail({ email: "new@example.org", password: "wrong" })).rejects.toThrow(
      /wrong/,
    );
    await expect(asBob.account.changeEmail({ email: eve.email.toUpperCase(), password })).rejects.toThrow(
      /cannot be used/,
    );
    expect((await asBob.account.changeEmail({ email: "New@example.org", password })).email).toBe(
      "new@example.org",
    );
  });

  it("exports what belongs to it and no secret, as JSON that can be read back", async () => {
    await using t = await testDatabase(home);
    const { asBob, bob } = await setUp(t.db);
    await asBob.account.createApiKey({ name: "laptop" });
    const eve = await makePerson(t.db);
    await t.db
      .insert(checkpoints)
      .values({ id: "c", name: "c", stage: "base", folder: "c", manifest: {}, sizeBytes: 1 });
    for (const [userId, content] of [
      [bob.id, "mine"],
      [bob.id, "mine too"],
      [eve.id, "hers"],
    ] as const) {
      const [made] = await t.db.insert(conversations).values({ userId, title: content }).returning();
      await t.db.insert(messages).values({ conversationId: made?.id ?? "", role: "user", content });
    }
    let text = "";
    for await (const part of exportAccount(t.db, bob.id)) text += part;
    const exported = JSON.parse(text);
    expect(exported).toMatchObject({ profile: { id: bob.id }, apiKeys: [{ name: "laptop" }] });
    expect(exported.conversations.map(({ title }: { title: string }) => title)).toEqual(["mine", "mine too"]);
    expect(exported.conversations[0].messages).toMatchObject([{ content: "mine" }]);
    expect(exported.sessions).toHaveLength(3);
    expect(text).not.toMatch(/hers|keyHash|"token"|"password"/);
  });

  it("exports an empty history as JSON too", async () => {
    await using t = await testDatabase(home);
    const eve = await makePerson(t.db);
    let text = "";
    for await (const part of exportAccount(t.db, eve.id)) text += part;
    expect(JSON.parse(text).conversations).toEqual([]);
  });

  it("is deleted with all that hangs on it, but not while it is the last admin", async () => {
    await using t = await testDatabase(home);
    const { asBob, bob } = await setUp(t.db);
    await asBob.account.answerConsent({ granted: true });
    await t.db.insert(conversations).values({ userId: bob.id });
    const admin = await makePerson(t.db, { role: "admin" });
    await expect(callerFor(t.db, admin).account.delete({ password: "" })).rejects.toThrow(/leave no admin/);
    await asBob.account.delete({ password });
    expect(await t.db.select({ id: users.id }).from(users)).toEqual([{ id: admin.id }]);
    for (const table of [sessions, accounts, conversations, consentEvents])
      expect(await t.db.$count(table)).toBe(0);
  });
});
