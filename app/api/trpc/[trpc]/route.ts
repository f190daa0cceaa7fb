/** @file All procedures over HTTP: queries and mutations in batches, subscriptions as server-sent events. */
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { checkMutation, withBoundedBody } from "@/server/auth/request-checks";
import { processEnv } from "@/server/env";
import { httpStatus, isAppError } from "@/server/errors";
import { log } from "@/server/log";
import { createContext } from "@/server/request-context";
import { appRouter } from "@/server/routers/root";
import { toTrpcError } from "@/server/trpc";

/** Pages put up to ten calls into one request. */
const maxBatchSize = 20;

async function handle(received: Request): Promise<Response> {
  try {
    checkMutation(received, processEnv());
    return await answer(await withBoundedBody(received));
  } catch (error) {
    if (!isAppError(error)) throw error;
    return Response.json({ code: error.code, message: error.message }, { status: httpStatus[error.code] });
  }
}

function answer(req: Request): Promise<Response> {
  return fetchRequestHandler({
    endpoint: "/api/trpc",
    req,
    router: appRouter,
    maxBatchSize,
    createContext: ({ resHeaders }) => createContext(req.headers, resHeaders).catch(rethrow),
    responseMeta: ({ type, paths }) => ({ headers: responseHeaders(type, paths) }),
    onError({ error, path, type, ctx }) {
      // Inside procedures errors are logged with their request id; this is the rest: a context that could not be made,
      // and streams, which fail after their procedure has returned.
      if (error.code !== "INTERNAL_SERVER_ERROR" || (path !== undefined && type !== "subscription")) return;
      log.error({ err: error.cause ?? error, requestId: ctx?.requestId, path }, "request failed");
    },
  });
}

/** Compressing or buffering would hold tokens back. Ours are added to tRPC's own, and nginx reads "no, no" as yes. */
function responseHeaders(type: string, paths: readonly string[] | undefined): Record<string, string> {
  if (type === "subscription") return {};
  if (!paths?.includes("chat.temporary")) return { "cache-control": "no-store" };
  return { "cache-control": "no-store, no-transform", "x-accel-buffering": "no" };
}

function rethrow(error: unknown): never {
  throw isAppError(error) ? toTrpcError(error) : error;
}

export { handle as GET, handle as POST };
