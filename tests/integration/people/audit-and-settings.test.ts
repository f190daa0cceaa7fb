/** @file The audit chain shows every change to it; settings keep their types and leave a record. */
import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { auditLog, settings } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { appendAudit, readAuditHead, verifyAudit } from "@/server/domain/audit";
import { defaultSettings, readSetting, readSettings } from "@/server/domain/settings";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

async function append(db: Db, count: number): Promise<void> {
  const one = (i: number) =>
    db.transaction((tx) =>
      appendAudit(tx, {
        actorId: null,
        action: "setting.changed",
        subject: `s${i}`,
        details: { z: i, a: { nested: ["é", null, 0.1] } },
      }),
    );
  await Promise.all(Array.from({ length: count }, (_, i) => one(i)));
}

/** As somebody with the superuser's rights would. */
async function tamper(db: Db, statement: string): Promise<void> {
  await db.execute(sql`alter table audit_log disable trigger user`);
  await db.execute(sql.raw(statement));
  await db.execute(sql`alter table audit_log enable trigger user`);
}

describeEachDatabase("the audit log", (home) => {
  it("is one chain, also when many write at once", async () => {
    await using t = await testDatabase(home);
    await append(t.db, 20);
    expect(await verifyAudit(t.db)).toMatchObject({ ok: true, rows: 20 });
  });

  it.each([
    [
      "a changed text",
      "update audit_log set details = '{\"z\": 99}' where id = 3",
      { brokenAt: 3, reason: "changed" },
    ],
    [
      "a changed time",
      "update audit_log set at = at + interval '1 second' where id = 2",
      { brokenAt: 2, reason: "changed" },
    ],
    ["a row taken out", "delete from audit_log where id = 3", { brokenAt: 4, reason: "missing" }],
    ["the beginning taken away", "delete from audit_log where id < 3", { brokenAt: 3, reason: "missing" }],
  ])("shows %s", async (_what, statement, verdict) => {
    await using t = await testDatabase(home);
    await append(t.db, 5);
    await tamper(t.db, statement);
    expect(await verifyAudit(t.db)).toMatchObject({ ok: false, ...verdict });
  });

  it("shows an end that was cut off, to whoever kept an earlier head", async () => {
    await using t = await testDatabase(home);
    await append(t.db, 5);
    const head = await readAuditHead(t.db);
    await tamper(t.db, "delete from audit_log where id > 3");
    expect(await verifyAudit(t.db)).toMatchObject({ ok: true, rows: 3 });
    expect(await verifyAudit(t.db, head ?? undefined)).toMatchObject({
      ok: false,
      reason: "missing",
      brokenAt: 5,
    });
  });

  it("keeps no row of an act that was rolled back", async () => {
    await using t = await testDatabase(home);
    const failing = t.db.transaction(async (tx) => {
      await appendAudit(tx, { actorId: null, action: "setting.changed", subject: "x" });
      throw new Error("rolled back");
    });
    await expect(failing).rejects.toThrow("rolled back");
    expect(await t.db.$count(auditLog)).toBe(0);
  });

  it("is listed newest first, filtered and in pages, and verified by an auditor", async () => {
    await using t = await testDatabase(home);
    await append(t.db, 5);
    const auditor = callerFor(t.db, await makePerson(t.db, { grants: ["auditor"] }));
    const first = await auditor.audit.list({ limit: 3 });
    const second = await auditor.audit.list({ limit: 3, cursor: first.nextCursor });
    expect([...first.rows, ...second.rows].map(({ id }) => id)).toEqual([5, 4, 3, 2, 1]);
    expect(second.nextCursor).toBeNull();
    expect((await auditor.audit.list({ action: "setting." })).rows).toHaveLength(5);
    expect((await auditor.audit.list({ action: "%" })).rows).toHaveLength(0);
    expect((await auditor.audit.list({ subject: "s1" })).rows).toHaveLength(1);
    expect(await auditor.audit.verify()).toMatchObject({ ok: true, rows: 5 });
  });
});

describeEachDatabase("settings", (home) => {
  it("have defaults, change with a record of who, and go back", async () => {
    await using t = await testDatabase(home);
    const admin = await makePerson(t.db, { role: "admin" });
    const asAdmin = callerFor(t.db, admin);
    expect((await asAdmin.settings.read()).settings).toEqual(defaultSettings);
    const changed = { instanceName: "Ours", retentionDays: 30, defaultSampling: { temperature: 0 } };
    expect(await asAdmin.settings.change(changed)).toEqual({ ...defaultSettings, ...changed });
    expect(await asAdmin.settings.change({ retentionDays: null })).toMatchObject({ retentionDays: null });
    expect(await asAdmin.settings.reset({ key: "instanceName" })).toMatchObject({ instanceName: "Attune" });
    const { rows } = await asAdmin.audit.list({ action: "setting.changed" });
    expect(rows.map(({ subject, details }) => [subject, details])).toEqual([
      ["instanceName", { to: "default" }],
      ["retentionDays", { from: 30, to: null }],
      ["defaultSampling", {}],
      ["retentionDays", { from: null, to: 30 }],
      ["instanceName", { from: "Attune", to: "Ours" }],
    ]);
    await asAdmin.settings.change({ retentionDays: null });
    expect((await asAdmin.audit.list({})).rows).toHaveLength(5);
  });

  it("refuse values of the wrong kind, and survive ones that a person wrote into the table", async () => {
    await using t = await testDatabase(home);
    const asAdmin = callerFor(t.db, await makePerson(t.db, { role: "admin" }));
    await expect(asAdmin.settings.change({ retentionDays: 0 })).rejects.toMatchObject({
      code: "BAD_REQUEST",
    });
    await expect(asAdmin.settings.change({ instanceName: "  " })).rejects.toThrow(/at least one character/);
    await t.db.insert(settings).values([
      { key: "signUp", value: "everyone" },
      { key: "of a later version", value: 1 },
    ]);
    expect(await readSettings(t.db)).toEqual(defaultSettings);
    expect(await readSetting(t.db, "signUp")).toBe("invite");
  });
});
