/** @file What the schema itself refuses. */
import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { auditLog, users } from "@/drizzle/schema";
import { migrateDatabase } from "@/server/db/migrate-database";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const row = { action: "test", subject: "x", prevHash: "0", hash: "1" };

/** The reason of the database itself, below Drizzle's "Failed query". */
async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error("nothing was refused"),
    (thrown: unknown) => thrown,
  );
  return error instanceof Error ? String(error.cause ?? error.message) : String(error);
}

describeEachDatabase("schema", (home) => {
  it("keeps audit rows from being changed, deleted or truncated", async () => {
    await using t = await testDatabase(home);
    await t.db.insert(auditLog).values(row);
    expect(await refusal(t.db.execute(sql`update audit_log set action = 'other'`))).toMatch(
      /append-only: update/,
    );
    expect(await refusal(t.db.execute(sql`delete from audit_log`))).toMatch(/append-only: delete/);
    expect(await refusal(t.db.execute(sql`truncate audit_log`))).toMatch(/append-only: truncate/);
    expect(await t.db.$count(auditLog)).toBe(1);
  });

  it("keeps unknown roles and grants out, and two spellings of one address", async () => {
    await using t = await testDatabase(home);
    const insert = (columns: string, values: string) =>
      refusal(
        t.db.execute(
          sql.raw(`insert into users (name, email, ${columns}) values ('A', 'a@example.org', ${values})`),
        ),
      );
    expect(await insert("role", "'root'")).toMatch(/users_role/);
    expect(await insert("grants", "array['everything']")).toMatch(/users_grants/);
    expect(await refusal(t.db.insert(users).values({ name: "A", email: "A@example.org" }))).toMatch(
      /users_email_lower/,
    );
    await t.db.insert(users).values({ name: "A", email: "a@example.org", grants: ["auditor"] });
    expect(await refusal(t.db.insert(users).values({ name: "B", email: "a@example.org" }))).toMatch(
      /users_email_unique/,
    );
  });

  it("has nothing left to migrate", async () => {
    await using t = await testDatabase(home);
    expect(await migrateDatabase(t.db)).toEqual([]);
  });
});
