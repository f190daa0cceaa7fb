/** @file What a failing procedure tells the browser, and what only the log. */
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { expect, it, vi } from "vitest";
import { z } from "zod";
import { apiKeys } from "@/drizzle/schema";
import type { Context } from "@/server/context";
import { AppError } from "@/server/errors";
import { log } from "@/server/log";
import { procedure, router } from "@/server/trpc";
import { makePerson, testContext } from "../../helpers/test-context";
import { testDatabase } from "../../helpers/test-database";

const failing = router({
  unknown: procedure("instance.read").query(() => {
    throw new Error("secret: postgres://user:password@host");
  }),
  wrapped: procedure("instance.read").query(async ({ ctx }) => {
    await ctx.db.execute("select no_such_column from users");
  }),
  told: procedure("instance.read").query(() => {
    throw new AppError("CONFLICT", "Told to the person.", {
      cause: new Error("secret"),
      retryAfterSeconds: 7,
    });
  }),
  foreign: procedure("instance.read").query(() => {
    // An AppError of the other bundle: the same by name, another class.
    throw Object.assign(new Error("From the other bundle."), { name: "AppError", code: "TOO_LARGE" });
  }),
  checked: procedure("instance.read")
    .input(z.object({ limit: z.int().max(3), name: z.string().min(1, "A name is needed.") }))
    .query(() => "fine"),
  stored: procedure("account.own")
    .input(z.object({ name: z.string() }))
    .query(({ ctx, input }) =>
      ctx.db.insert(apiKeys).values({ userId: ctx.user.id, keyHash: "", suffix: "", ...input }),
    ),
  own: procedure("account.own").query(({ ctx }) => ctx.user.name),
});

async function ask(path: string, context: Context, input: unknown = null) {
  const query = encodeURIComponent(JSON.stringify({ json: input }));
  const response = await fetchRequestHandler({
    endpoint: "/t",
    req: new Request(`http://127.0.0.1/t/${path}?input=${query}`),
    router: failing,
    createContext: () => context,
  });
  const text = await response.text();
  return { status: response.status, text, error: JSON.parse(text).error?.json };
}

it("hides unknown errors behind the id under which the log has them", async () => {
  await using t = await testDatabase();
  const child = log.child({});
  const logged = vi.spyOn(child, "error").mockImplementation(() => {});
  const context = testContext(t.db, null, { requestId: "req-7", log: child });
  for (const path of ["unknown", "wrapped"]) {
    const { status, text, error } = await ask(path, context);
    expect(status).toBe(500);
    expect(error.message).toContain("req-7");
    expect(error.data).toEqual({
      code: "INTERNAL_SERVER_ERROR",
      httpStatus: 500,
      requestId: "req-7",
      retryAfterSeconds: null,
    });
    expect(text).not.toMatch(/secret|no_such_column|stack|node_modules/);
  }
  expect(logged).toHaveBeenCalledTimes(2);
  expect(logged.mock.calls[0]?.[0]).toMatchObject({ requestId: "req-7", path: "unknown" });
});

it("tells what was written for the person, with its status and the time to wait", async () => {
  await using t = await testDatabase();
  const context = testContext(t.db, null);
  const told = await ask("told", context);
  expect(told).toMatchObject({
    status: 409,
    error: { message: "Told to the person.", data: { retryAfterSeconds: 7 } },
  });
  expect(told.text).not.toContain("secret");
  expect(await ask("foreign", context)).toMatchObject({
    status: 413,
    error: { message: "From the other bundle." },
  });
});

it("says what is wrong with an input in plain lines", async () => {
  await using t = await testDatabase();
  const { status, error } = await ask("checked", testContext(t.db, null), { limit: 9, name: "" });
  expect(status).toBe(400);
  expect(error.message.split("\n")).toEqual([expect.stringMatching(/^limit: /), "name: A name is needed."]);
});

it("answers 401 to who is not signed in", async () => {
  await using t = await testDatabase();
  expect((await ask("own", testContext(t.db, null))).status).toBe(401);
  const user = await makePerson(t.db, { name: "Ada" });
  expect((await ask("own", testContext(t.db, user))).status).toBe(200);
});

it("tells who sent it that a value cannot be stored", async () => {
  await using t = await testDatabase();
  const context = testContext(t.db, await makePerson(t.db));
  const { status, error } = await ask("stored", context, { name: "a\0b" });
  expect(status).toBe(400);
  expect(error.message).toContain("cannot be stored: a control character");
});
