/** @file API routes over real HTTP without Next: what it does for them, in a page of code. */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import type { PageHandler } from "@/server/boot/web-server";

type RouteHandler = (request: Request) => Promise<Response>;

const routes: Record<string, () => Promise<object>> = {
  "/api/v1/models": () => import("@/app/api/v1/models/route"),
  "/api/v1/chat/completions": () => import("@/app/api/v1/chat/completions/route"),
  "/api/v1/score": () => import("@/app/api/v1/score/route"),
  "/api/v1/feedback": () => import("@/app/api/v1/feedback/route"),
  "/api/healthz": () => import("@/app/api/healthz/route"),
  "/api/metrics": () => import("@/app/api/metrics/route"),
  "/api/control": () => import("@/app/api/control/route"),
  "/api/auth": () => import("@/app/api/auth/[...all]/route"),
  "/api/worker": () => import("@/app/api/worker/[...path]/route"),
  "/api/trpc": () => import("@/app/api/trpc/[trpc]/route"),
};

/** The handler of {@link startWebServer} that answers API routes alone. */
export const handleRoutes: PageHandler = async (incoming, outgoing) => {
  const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host}`);
  const path = /^\/api\/(trpc|auth|worker)(?=\/)/.exec(url.pathname)?.[0] ?? url.pathname;
  const handler = await findHandler(path, incoming.method ?? "GET");
  if (!handler) {
    outgoing.writeHead(404).end();
    return;
  }
  const left = new AbortController();
  outgoing.once("close", () => left.abort());
  const response = await handler(toRequest(incoming, url, left.signal));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.flushHeaders();
  if (!response.body) {
    outgoing.end();
    return;
  }
  const body = Readable.fromWeb(response.body as NodeReadableStream);
  outgoing.once("close", () => body.destroy());
  body.on("error", () => outgoing.destroy());
  body.pipe(outgoing);
};

function toRequest(incoming: IncomingMessage, url: URL, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  const hasBody = incoming.method !== "GET" && incoming.method !== "HEAD";
  return new Request(url, {
    method: incoming.method ?? "GET",
    headers,
    signal,
    ...(hasBody && { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" }),
  });
}

async function findHandler(path: string, method: string): Promise<RouteHandler | null> {
  const handler: unknown = Reflect.get((await routes[path]?.()) ?? {}, method);
  return typeof handler === "function" ? (handler as RouteHandler) : null;
}
