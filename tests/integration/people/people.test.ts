/** @file What admins do to people, and what follows: sessions end, keys stop, the record grows. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { accounts, sessions, users } from "@/drizzle/schema";
import { hashPassword, verifyPassword } from "@/server/auth/passwords";
import type { Db } from "@/server/db/db";
import { setPassword } from "@/server/domain/account-password";
import { authenticateApiKey, createApiKey } from "@/server/domain/api-keys";
import { listAudit } from "@/server/domain/audit";
import { issueResetLinkByEmail } from "@/server/domain/password-reset";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

async function openSession(db: Db, userId: string): Promise<void> {
  await db.insert(sessions).values({ userId, token: randomUUID(), expiresAt: new Date(Date.now() + 60_000) });
}

async function setUp(db: Db) {
  const admin = await makePerson(db, { role: "admin", name: "Ada" });
  const bob = await makePerson(db, { name: "Bob" });
  await openSession(db, bob.id);
  await openSession(db, admin.id);
  return { admin, bob, asAdmin: callerFor(db, admin), asBob: callerFor(db, bob) };
}

const actionsOf = async (db: Db) =>
  (await listAudit(db, { cursor: null, limit: 50 })).rows.map(({ action }) => action);

describeEachDatabase("an admin", (home) => {
  it("changes a role: the person's sessions end, nobody else's, and it is on record", async () => {
    await using t = await testDatabase(home);
    const { asAdmin, bob, admin } = await setUp(t.db);
    await asAdmin.people.changeRole({ userId: bob.id, role: "labeler" });
    expect(await t.db.select({ userId: sessions.userId }).from(sessions)).toEqual([{ userId: admin.id }]);
    const { rows } = await listAudit(t.db, { cursor: null, limit: 5 });
    expect(rows).toMatchObject([
      {
        action: "person.roleChanged",
        subject: bob.id,
        actor: { name: "Ada" },
        details: { from: "user", to: "labeler" },
      },
    ]);
    await asAdmin.people.changeRole({ userId: bob.id, role: "labeler" });
    expect(await actionsOf(t.db)).toHaveLength(1);
  });

  it("changes grants, which ends sessions too", async () => {
    await using t = await testDatabase(home);
    const { asAdmin, bob } = await setUp(t.db);
    await asAdmin.people.changeGrants({ userId: bob.id, grants: ["labelingLead", "auditor"] });
    const { people } = await asAdmin.people.list({ search: "Bob" });
    expect(people[0]?.grants).toEqual(["auditor", "labelingLead"]);
    expect(await t.db.$count(sessions)).toBe(1);
  });

  it("disables a person: sessions end and keys stop, until enabled again", async () => {
    await using t = await testDatabase(home);
    const { asAdmin, bob } = await setUp(t.db);
    const { key } = await createApiKey(t.db, { userId: bob.id, name: "k", consent: false });
    await asAdmin.people.disable({ userId: bob.id });
    expect(await t.db.$count(sessions)).toBe(1);
    expect(await authenticateApiKey(t.db, `Bearer ${key}`)).toBeNull();
    await asAdmin.people.enable({ userId: bob.id });
    expect(await authenticateApiKey(t.db, `Bearer ${key}`)).toMatchObject({
      user: { id: bob.id },
      consent: false,
    });
    expect(await actionsOf(t.db)).toEqual(["person.enabled", "person.disabled", "apiKey.created"]);
  });

  it("never takes the last admin away, even when two demote each other at once", async () => {
    await using t = await testDatabase(home);
    const { asAdmin, admin } = await setUp(t.db);
    const eve = await makePerson(t.db, { role: "admin", name: "Eve" });
    await expect(asAdmin.people.changeRole({ userId: admin.id, role: "user" })).rejects.toThrow(
      /their own rights/,
    );
    const both = await Promise.allSettled([
      asAdmin.people.changeRole({ userId: eve.id, role: "user" }),
      callerFor(t.db, eve).people.disable({ userId: admin.id }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const left = await t.db.select({ role: users.role, banned: users.banned }).from(users);
    expect(left.filter(({ role, banned }) => role === "admin" && !banned)).toHaveLength(1);
  });

  it("issues a reset link that works once, ends sessions and leaves the old password worthless", async () => {
    await using t = await testDatabase(home);
    const { asAdmin, bob } = await setUp(t.db);
    await t.db.transaction(async (tx) => setPassword(tx, bob.id, await hashPassword("the old password")));
    const first = await asAdmin.people.issueResetLink({ userId: bob.id });
    const second = await issueResetLinkByEmail(t.db, bob.email.toUpperCase());
    const anyone = callerFor(t.db, null);
    const tokenOf = (path: string) => path.split("token=")[1] ?? "";
    const password = "a new password";
    await expect(anyone.account.resetPassword({ token: tokenOf(first.path), password })).rejects.toThrow(
      /used already/,
    );
    await anyone.account.resetPassword({ token: second.token, password });
    await expect(anyone.account.resetPassword({ token: second.token, password })).rejects.toThrow(
      /used already/,
    );
    await expect(
      anyone.account.signUp({ name: "X", email: "x@example.org", password, token: second.token }),
    ).rejects.toThrow(/used already/);
    const rows = await t.db.select({ hash: accounts.password }).from(accounts);
    expect(rows).toHaveLength(1);
    expect(await verifyPassword({ hash: rows[0]?.hash ?? "", password })).toBe(true);
    expect(await t.db.$count(sessions)).toBe(1);
  });

  it("gives a password to an account that had none", async () => {
    await using t = await testDatabase(home);
    const { asAdmin, bob } = await setUp(t.db);
    const { path } = await asAdmin.people.issueResetLink({ userId: bob.id });
    await callerFor(t.db, null).account.resetPassword({
      token: path.split("token=")[1] ?? "",
      password: "first password",
    });
    expect((await asAdmin.people.list({ search: bob.email })).people[0]).toMatchObject({ hasPassword: true });
  });

  it("revokes an invite", async () => {
    await using t = await testDatabase(home);
    const { asAdmin } = await setUp(t.db);
    const { id } = await asAdmin.people.invite({ email: "new@example.org", role: "user" });
    expect(await asAdmin.people.invites()).toMatchObject([
      { id, email: "new@example.org", invitedBy: "Ada" },
    ]);
    await asAdmin.people.revokeInvite({ inviteId: id });
    expect(await asAdmin.people.invites()).toEqual([]);
    await expect(asAdmin.people.revokeInvite({ inviteId: id })).rejects.toThrow(
      /used already or has expired/,
    );
  });

  it("finds people by any part of name or address, page by page, each once", async () => {
    await using t = await testDatabase(home);
    const { asAdmin } = await setUp(t.db);
    // One moment for all: only the id orders them.
    const createdAt = new Date("2026-01-01T00:00:00Z");
    await t.db
      .insert(users)
      .values(
        Array.from({ length: 25 }, (_, i) => ({ name: `Many ${i}`, email: `m${i}@example.org`, createdAt })),
      );
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof asAdmin.people.list>> = await asAdmin.people.list({
        search: "many",
        limit: 10,
        cursor,
      });
      expect(page.total).toBe(25);
      seen.push(...page.people.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor);
    expect(new Set(seen).size).toBe(25);
    expect(seen).toHaveLength(25);
    expect((await asAdmin.people.list({ search: "%" })).total).toBe(0);
    expect((await asAdmin.people.list({ role: "admin" })).total).toBe(1);
    for (const bad of ["x", "W10", Buffer.from('["2026; drop","x"]').toString("base64url")]) {
      await expect(asAdmin.people.list({ cursor: bad })).rejects.toThrow(/page that does not exist/);
    }
  });
});
