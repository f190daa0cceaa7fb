/** @file What a log line may hold. */
import { DrizzleQueryError } from "drizzle-orm";
import { expect, it } from "vitest";
import { describeError, log } from "@/server/log";

/** What the logger would write, one line. */
function written(fields: object): string {
  let line = "";
  const symbols = Object.getOwnPropertySymbols(log);
  const stream = symbols.find((symbol) => symbol.description === "pino.stream");
  const child = log.child({}, { level: "info" });
  Object.defineProperty(child, stream ?? "", { value: { write: (text: string) => (line += text) } });
  child.info(fields, "test");
  return line;
}

it("leaves out what people write, who they are and what lets them in, two levels deep", () => {
  const line = written({
    email: "PRIVATE",
    token: "PRIVATE",
    headers: { cookie: "PRIVATE", authorization: "PRIVATE", "set-cookie": "PRIVATE" },
    body: { anything: "PRIVATE" },
    request: { message: { content: "PRIVATE" } },
    userId: "u1",
  });
  expect(line).toContain('"userId":"u1"');
  expect(line).not.toContain("PRIVATE");
});

it("keeps a failed query's statement and reason, and drops its parameters and the row in `detail`", () => {
  const cause = Object.assign(
    new Error('duplicate key value violates unique constraint "users_email_unique"'),
    {
      code: "23505",
      detail: "Key (email)=(PRIVATE) already exists.",
    },
  );
  const error = new DrizzleQueryError("insert into users (email) values ($1)", ["PRIVATE"], cause);
  const described = JSON.stringify(describeError(error));
  expect(described).toContain("insert into users (email) values ($1)");
  expect(described).toContain("users_email_unique");
  expect(described).not.toContain("PRIVATE");
  expect(written({ err: error })).not.toContain("PRIVATE");
});
