/** @file What a request that changes something must show: our own origin, a JSON body, a bounded size. */
import type { Env } from "../env";
import { AppError } from "../errors";

const readingMethods = new Set(["GET", "HEAD", "OPTIONS"]);
const loopbackNames = new Set(["localhost", "127.0.0.1", "[::1]"]);
const loopbackBindings = new Set(["localhost", "127.0.0.1", "::1"]);

/** Largest body a procedure takes: a long temporary chat, with room. */
export const maxBodyBytes = 8 * 1024 * 1024;

/**
 * For every route that trusts a cookie. Reading is always let through.
 * @throws {AppError} FORBIDDEN for a foreign or missing origin, BAD_REQUEST for a body that is not JSON
 */
export function checkMutation(request: Request, env: Pick<Env, "ATTUNE_URL" | "HOST">): void {
  if (readingMethods.has(request.method)) return;
  checkOrigin(request.headers, env);
  if (request.body !== null && !isJson(request.headers.get("content-type"))) {
    throw new AppError("BAD_REQUEST", "The body must be JSON (content-type: application/json).");
  }
}

/**
 * For routes that take a piece of a file. A content type that a foreign form cannot send makes the browser ask first.
 * @returns the request with its body in memory
 * @throws {AppError} FORBIDDEN, BAD_REQUEST, TOO_LARGE
 */
export async function checkUpload(
  request: Request,
  env: Pick<Env, "ATTUNE_URL" | "HOST">,
  limitBytes: number,
): Promise<Request> {
  checkOrigin(request.headers, env);
  if (request.headers.get("content-type") !== "application/octet-stream") {
    throw new AppError("BAD_REQUEST", "The body must be bytes (content-type: application/octet-stream).");
  }
  return withBoundedBody(request, limitBytes);
}

function checkOrigin(headers: Headers, env: Pick<Env, "ATTUNE_URL" | "HOST">): void {
  if (isOwnOrigin(headers, env)) return;
  throw new AppError(
    "FORBIDDEN",
    "This request comes from another site than Attune's own. If you reach Attune through a proxy or another name, " +
      "set ATTUNE_URL to the address in your browser.",
  );
}

/** Browsers name the origin with every request that changes something; a request that names none is refused. */
export function isOwnOrigin(headers: Headers, env: Pick<Env, "ATTUNE_URL" | "HOST">): boolean {
  const origin = headers.get("origin");
  if (origin === null || !URL.canParse(origin)) return false;
  const asked = new URL(origin);
  if (env.ATTUNE_URL && asked.origin === new URL(env.ATTUNE_URL).origin) return true;
  if (env.ATTUNE_URL || asked.host !== headers.get("host")) return false;
  // A page elsewhere can have its own name resolve to this machine: on loopback only loopback's names are ours.
  return !loopbackBindings.has(env.HOST) || loopbackNames.has(asked.hostname);
}

function isJson(contentType: string | null): boolean {
  return contentType?.split(";")[0]?.trim().toLowerCase() === "application/json";
}

/**
 * The same request with its body read into memory, at most `limitBytes` of it.
 * @throws {AppError} TOO_LARGE, without reading further
 */
export async function withBoundedBody(request: Request, limitBytes = maxBodyBytes): Promise<Request> {
  if (request.body === null) return request;
  const declared = Number(request.headers.get("content-length") ?? 0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (declared > limitBytes) throw tooLarge(limitBytes);
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return new Request(request.url, {
    method: request.method,
    headers: request.headers,
    body: Buffer.concat(chunks),
    signal: request.signal,
  });
}

function tooLarge(limitBytes: number): AppError {
  return new AppError(
    "TOO_LARGE",
    `The request is larger than ${Math.round(limitBytes / 1024 / 1024)} MB. Send less at once.`,
  );
}
