/** @file Structured logs. What people write, who they are and what lets them in is kept out of every line. */
import { pino, stdSerializers } from "pino";

const secret = [
  "authorization",
  "cookie",
  "set-cookie",
  "token",
  "password",
  "apiKey",
  "key",
  "secret",
  "email",
  "prompt",
  "content",
  "text",
  "messages",
  "systemPrompt",
  "body",
  "link",
] as const;

/** Writes one JSON object a line to standard output; the level is LOG_LEVEL. */
export const log = pino({
  level: process.env.LOG_LEVEL || "info",
  base: undefined,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label }) },
  redact: {
    paths: ["", "*.", "*.*."].flatMap((prefix) => secret.map((name) => redactPath(prefix, name))),
    censor: "[redacted]",
  },
  serializers: { err: describeError, error: describeError },
});

export type Log = typeof log;

function redactPath(prefix: string, name: string): string {
  return name.includes("-") ? `${prefix.replace(/\.$/, "")}["${name}"]` : `${prefix}${name}`;
}

type DescribedError = {
  type: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: DescribedError;
};

/**
 * An error for the log. A failed query's own message carries its parameters (prompts, addresses), and the database's
 * `detail` repeats the offending row: both are left out; the statement and the reason stay.
 */
export function describeError(error: unknown): DescribedError | unknown {
  if (!(error instanceof Error)) return typeof error === "object" ? { type: "object" } : error;
  const failedQuery = "query" in error && typeof error.query === "string" ? error.query : null;
  const serialized = stdSerializers.err(error);
  const cause = error.cause instanceof Error ? describeError(error.cause) : undefined;
  return {
    type: serialized.type,
    message: failedQuery === null ? error.message : `Failed query: ${failedQuery}`,
    ...("code" in error && { code: String(error.code) }),
    stack: stackFrames(error),
    ...(cause !== undefined && { cause }),
  };
}

/** The stack without its first lines, which repeat the message. */
function stackFrames(error: Error): string {
  return (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n");
}
