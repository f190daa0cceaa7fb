/** @file Every procedure names a permission, and refuses everyone who lacks it before it looks at the input. */
import { TRPCError } from "@trpc/server";
import { describe, expect, it } from "vitest";
import type { SessionUser } from "@/server/context";
import { type Grant, isAllowed, type Permission, permissions, type Role } from "@/server/permissions";
import { appRouter, createCaller } from "@/server/routers/root";
import { testContext } from "../../helpers/test-context";
import { testDatabase } from "../../helpers/test-database";

const procedures = Object.entries(appRouter._def.procedures).map(([path, made]) => ({
  path,
  permission: permissionOf(made),
}));

/** Read from the built procedure: what is missing at runtime shows here, whatever the types say. */
function permissionOf(made: unknown): unknown {
  const meta = made instanceof Function && "meta" in made ? made.meta : undefined;
  return meta instanceof Object && "permission" in meta ? meta.permission : undefined;
}

const person = (role: Role, grants: Grant[] = []): SessionUser => ({
  id: "00000000-0000-4000-8000-000000000000",
  name: "P",
  email: "p@example.org",
  role,
  grants,
});

const people: Record<string, SessionUser | null> = {
  "nobody signed in": null,
  "a user": person("user"),
  "a labeler": person("labeler"),
  "a labeling lead": person("labeler", ["labelingLead"]),
  "an auditor": person("user", ["auditor"]),
  "an admin": person("admin"),
};

/** Written out by hand: who may what, in the order of `people`. */
const expected: Record<Permission, string> = {
  "instance.read": "yes yes yes yes yes yes",
  "account.open": "yes yes yes yes yes yes",
  "account.own": "no yes yes yes yes yes",
  "chat.use": "no yes yes yes yes yes",
  "people.read": "no no no yes no yes",
  "people.manage": "no no no no no yes",
  "settings.manage": "no no no no no yes",
  "models.manage": "no no no no no yes",
  "runs.read": "no no no no no yes",
  "runs.manage": "no no no no no yes",
  "labeling.work": "no no yes yes no yes",
  "labeling.lead": "no no no yes no yes",
  "evaluations.read": "no no no no yes yes",
  "promotion.read": "no no no no yes yes",
  "promotion.decide": "no no no no no yes",
  "audit.read": "no no no no yes yes",
};

async function call(path: string, user: SessionUser | null, db: Parameters<typeof testContext>[0]) {
  const caller: unknown = createCaller(testContext(db, user));
  const target = path.split(".").reduce<unknown>((inner, name) => Reflect.get(Object(inner), name), caller);
  if (!(target instanceof Function)) throw new Error(`${path} is no procedure`);
  // An input no schema takes: whoever is let through stops there, and changes nothing.
  return target(Symbol.iterator).then(
    () => "ok",
    (error: unknown) => (error instanceof TRPCError ? error.code : String(error)),
  );
}

describe("permissions", () => {
  it.each(Object.entries(expected))("%s is given to the right people", (permission, answers) => {
    const given = Object.values(people).map((who) =>
      isAllowed(who, permission as Permission) ? "yes" : "no",
    );
    expect(given.join(" ")).toBe(answers);
  });

  it("are named by every procedure, and every one of the table is used", () => {
    const nameless = procedures.filter(({ permission }) => !Object.hasOwn(permissions, String(permission)));
    expect(nameless).toEqual([]);
    expect(procedures.length).toBeGreaterThan(40);
    const used = new Set(procedures.map(({ permission }) => permission));
    expect(Object.keys(permissions).filter((permission) => !used.has(permission))).toEqual([]);
  });

  it.each(Object.entries(people))("keep %s out of everything else", async (_name, who) => {
    await using t = await testDatabase();
    const refused = procedures.filter(({ permission }) => !isAllowed(who, permission as Permission));
    const wanted = who ? "FORBIDDEN" : "UNAUTHORIZED";
    for (const { path } of refused) expect([path, await call(path, who, t.db)]).toEqual([path, wanted]);
    expect(refused.length === 0).toBe(who?.role === "admin");
  });
});
