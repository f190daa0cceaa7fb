/** @file From the set-up link to a session and out again, over HTTP as browsers do it. */
import { eq } from "drizzle-orm";
import { beforeEach, expect, it } from "vitest";
import { accounts, sessions, users } from "@/drizzle/schema";
import { type Auth, createAuth } from "@/server/auth/auth";
import { clientAddressHeader } from "@/server/auth/client-address";
import { handleAuthRequest } from "@/server/auth/handle-auth-request";
import { resetLimits } from "@/server/auth/limits";
import { readSession } from "@/server/auth/read-session";
import type { Db } from "@/server/db/db";
import { changeSettings } from "@/server/domain/settings";
import { ensureSetupLink } from "@/server/domain/setup";
import { callerFor, makePerson, testEnv } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const origin = "http://127.0.0.1:3000";
const env = testEnv();
const password = "correct horse battery";
const tokenOf = (link: string | null) => new URL(link ?? "").searchParams.get("token") ?? "";

type Post = { body?: unknown; headers?: Record<string, string>; address?: string };

function clientOf(auth: Auth) {
  const send = (request: Request, address: string) => handleAuthRequest(request, { auth, env, address });
  return {
    get: (path: string, headers: Record<string, string> = {}) =>
      send(new Request(`${origin}/api/auth${path}`, { headers }), "192.0.2.1"),
    post: (path: string, { body = {}, headers = {}, address = "192.0.2.1" }: Post = {}) =>
      send(
        new Request(`${origin}/api/auth${path}`, {
          method: "POST",
          headers: { origin, host: "127.0.0.1:3000", "content-type": "application/json", ...headers },
          body: typeof body === "string" ? body : JSON.stringify(body),
        }),
        address,
      ),
  };
}

async function setUp(db: Db) {
  const auth = createAuth({ db, env, secret: "x".repeat(43) });
  const client = clientOf(auth);
  const anyone = callerFor(db, null);
  const token = tokenOf(await ensureSetupLink(db, env));
  await anyone.account.signUp({ name: "Ada", email: "Ada@Example.org", password, token });
  return { auth, ...client, anyone };
}

const cookieOf = (response: Response) =>
  response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0])
    .join("; ");

beforeEach(() => resetLimits());

describeEachDatabase("signing in", (home) => {
  it("makes the first admin by the set-up link, once, and gives a session", async () => {
    await using t = await testDatabase(home);
    const auth = createAuth({ db: t.db, env, secret: "x".repeat(43) });
    const { post } = clientOf(auth);
    const anyone = callerFor(t.db, null);
    expect(await anyone.instance.status()).toMatchObject({ needsSetup: true, signUp: "invite" });
    const replaced = tokenOf(await ensureSetupLink(t.db, env));
    const link = await ensureSetupLink(t.db, env);
    expect(link).toMatch(/^http:\/\/127\.0\.0\.1:3000\/setup\?token=/);
    const account = { name: "Ada", email: "Ada@Example.org", password };
    await expect(anyone.account.signUp({ ...account, token: replaced })).rejects.toThrow(
      /used already or has expired/,
    );
    await anyone.account.signUp({ ...account, token: tokenOf(link) });
    await expect(
      anyone.account.signUp({ ...account, email: "b@example.org", token: tokenOf(link) }),
    ).rejects.toThrow(/used already/);
    expect(await ensureSetupLink(t.db, env)).toBeNull();
    expect(await anyone.instance.status()).toMatchObject({ needsSetup: false });

    const response = await post("/sign-in/email", {
      body: { email: "ada@example.org", password },
      headers: { [clientAddressHeader]: "203.0.113.7", "x-forwarded-for": "198.51.100.1" },
    });
    expect(response.status).toBe(200);
    const [cookie] = response.headers.getSetCookie();
    expect(cookie).toMatch(/^attune\.session_token=.*HttpOnly.*SameSite=Lax/i);
    const { session } = await readSession(auth, t.db, new Headers({ cookie: cookieOf(response) }));
    expect(session?.user).toMatchObject({ name: "Ada", email: "ada@example.org", role: "admin" });
    const [row] = await t.db.select().from(sessions);
    expect(row?.ipAddress).toBe("203.0.113.7");
  });

  it("ends with sign-out", async () => {
    await using t = await testDatabase(home);
    const { auth, post } = await setUp(t.db);
    const headers = {
      cookie: cookieOf(await post("/sign-in/email", { body: { email: "ada@example.org", password } })),
    };
    expect((await post("/sign-out", { headers })).status).toBe(200);
    expect((await readSession(auth, t.db, new Headers(headers))).session).toBeNull();
  });

  it("answers a wrong password, an unknown address and an account without a password alike", async () => {
    await using t = await testDatabase(home);
    const { post } = await setUp(t.db);
    const { email: withoutPassword } = await makePerson(t.db);
    const answers = await Promise.all(
      ["ada@example.org", "nobody@example.org", withoutPassword].map(async (email) => {
        const response = await post("/sign-in/email", { body: { email, password: "wrong password" } });
        return {
          status: response.status,
          body: await response.text(),
          cookies: response.headers.getSetCookie(),
        };
      }),
    );
    expect(answers[0]).toMatchObject({ status: 401, cookies: [] });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it("is refused to a disabled account, and its open session with it", async () => {
    await using t = await testDatabase(home);
    const { auth, post } = await setUp(t.db);
    const body = { email: "ada@example.org", password };
    const cookie = cookieOf(await post("/sign-in/email", { body }));
    await t.db.update(users).set({ banned: true });
    expect((await readSession(auth, t.db, new Headers({ cookie }))).session).toBeNull();
    const response = await post("/sign-in/email", { body });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ message: expect.stringContaining("disabled") });
  });

  it("is refused with a forged cookie", async () => {
    await using t = await testDatabase(home);
    const { auth, post } = await setUp(t.db);
    const cookie = cookieOf(await post("/sign-in/email", { body: { email: "ada@example.org", password } }));
    const [row] = await t.db.select({ token: sessions.token }).from(sessions);
    for (const forged of [
      cookie.slice(0, -4),
      `attune.session_token=${row?.token}`,
      "attune.session_token=%00",
    ]) {
      expect((await readSession(auth, t.db, new Headers({ cookie: forged }))).session).toBeNull();
    }
  });

  it.each([
    ["a foreign origin", { origin: "https://evil.example" }, 403],
    ["no origin", { origin: "" }, 403],
    [
      "a name that only resolves here",
      { origin: "http://evil.example:3000", host: "evil.example:3000" },
      403,
    ],
    ["a form body", { "content-type": "application/x-www-form-urlencoded" }, 400],
    ["plain text", { "content-type": "text/plain" }, 400],
  ])("is refused from %s", async (_what, headers, status) => {
    await using t = await testDatabase(home);
    const { post } = await setUp(t.db);
    const response = await post("/sign-in/email", { body: { email: "ada@example.org", password }, headers });
    expect(response.status).toBe(status);
    expect(await t.db.$count(sessions)).toBe(0);
  });

  it("opens none of better-auth's other routes", async () => {
    await using t = await testDatabase(home);
    const { get, post } = await setUp(t.db);
    const headers = {
      cookie: cookieOf(await post("/sign-in/email", { body: { email: "ada@example.org", password } })),
    };
    for (const path of [
      "/sign-up/email",
      "/admin/set-role",
      "/admin/create-user",
      "/admin/impersonate-user",
      "/update-user",
      "/change-password",
      "/delete-user",
      "/sign-in/email/",
      "/sign-in//email",
    ]) {
      expect((await post(path, { headers })).status, path).toBe(404);
    }
    expect((await get("/admin/list-users", headers)).status).toBe(404);
    expect((await get("/get-session", headers)).status).toBe(200);
  });

  it("survives bodies of every kind", async () => {
    await using t = await testDatabase(home);
    const { post } = await setUp(t.db);
    const bodies = [
      "",
      "{",
      "null",
      "[]",
      '{"email":1,"password":{}}',
      `{"email":"${"a".repeat(400)}","password":"x"}`,
    ];
    for (const body of bodies) expect((await post("/sign-in/email", { body })).status, body).toBe(400);
    expect((await post("/sign-in/email", { body: "x".repeat(20_000) })).status).toBe(413);
  });

  it("stops a guesser after ten attempts, without locking out the owner elsewhere", async () => {
    await using t = await testDatabase(home);
    const { post } = await setUp(t.db);
    const guess = (address: string, tried: string) =>
      post("/sign-in/email", { body: { email: "ada@example.org", password: tried }, address });
    for (let i = 0; i < 10; i++) expect((await guess("192.0.2.9", `guess ${i}`)).status).toBe(401);
    const refused = await guess("192.0.2.9", password);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await guess("192.0.2.10", password)).status).toBe(200);
  });
});

describeEachDatabase("sign-up", (home) => {
  const account = { name: "Bob", email: "bob@example.org", password };

  it("follows the policy: by invite, open, closed", async () => {
    await using t = await testDatabase(home);
    const { anyone } = await setUp(t.db);
    await expect(anyone.account.signUp(account)).rejects.toThrow(/by invite/);
    await changeSettings(t.db, { actorId: null, change: { signUp: "closed" } });
    const admin = callerFor(t.db, await makePerson(t.db, { role: "admin" }));
    const { path } = await admin.people.invite({ email: null, role: "user" });
    const token = path.split("token=")[1] ?? "";
    await expect(anyone.account.signUp({ ...account, token })).rejects.toThrow(/closed/);
    await changeSettings(t.db, { actorId: null, change: { signUp: "open" } });
    const { userId } = await anyone.account.signUp(account);
    const [user] = await t.db.select().from(users).where(eq(users.id, userId));
    expect(user).toMatchObject({ role: "user", grants: [], consent: false, consentAnsweredAt: null });
  });

  it("by invite gives its role, to its address, once", async () => {
    await using t = await testDatabase(home);
    const { anyone } = await setUp(t.db);
    const admin = callerFor(t.db, await makePerson(t.db, { role: "admin" }));
    const { path, url } = await admin.people.invite({ email: "Bob@example.org", role: "labeler" });
    expect(url).toBe(`${origin}${path}`);
    const token = path.split("token=")[1] ?? "";
    expect(await anyone.instance.link({ token })).toMatchObject({ kind: "invite", role: "labeler" });
    await expect(anyone.account.signUp({ ...account, email: "eve@example.org", token })).rejects.toThrow(
      /another e-mail address/,
    );
    const twice = await Promise.allSettled([1, 2].map(() => anyone.account.signUp({ ...account, token })));
    expect(twice.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await t.db.select({ role: users.role }).from(users).where(eq(users.email, account.email))).toEqual(
      [{ role: "labeler" }],
    );
    expect(await anyone.instance.link({ token })).toBeNull();
    expect(await admin.people.invites()).toEqual([]);
  });

  it("is refused before set-up, even when open", async () => {
    await using t = await testDatabase(home);
    await changeSettings(t.db, { actorId: null, change: { signUp: "open" } });
    await expect(callerFor(t.db, null).account.signUp(account)).rejects.toThrow(/not set up yet/);
  });

  it("makes no second account for one address, however it is spelled", async () => {
    await using t = await testDatabase(home);
    const { anyone } = await setUp(t.db);
    await changeSettings(t.db, { actorId: null, change: { signUp: "open" } });
    await expect(anyone.account.signUp({ ...account, email: "ADA@example.org" })).rejects.toThrow(
      /No account can be made/,
    );
    expect(await t.db.$count(accounts)).toBe(1);
  });

  it("says what is wrong with the input, in words", async () => {
    await using t = await testDatabase(home);
    const { anyone } = await setUp(t.db);
    await expect(anyone.account.signUp({ ...account, email: "no", password: "short" })).rejects.toThrow(
      /no e-mail address[\s\S]*at least 10 characters/,
    );
  });
});
