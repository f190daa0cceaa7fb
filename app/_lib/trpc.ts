/** @file The typed client of the server's procedures, for client components. */
"use client";

import {
  createTRPCClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  httpSubscriptionLink,
  splitLink,
} from "@trpc/client";
import { createTRPCContext } from "@trpc/tanstack-react-query";
import superjson from "superjson";
import type { AppRouter } from "@/server/routers/root";

export const { TRPCProvider, useTRPC, useTRPCClient } = createTRPCContext<AppRouter>();

const url = "/api/trpc";

/** Browsers keep 64 KiB alive at once, and refuse what is larger. */
const mostKeptBytes = 60_000;

/** What a page may still be sending at the moment it closes. */
const sentAtClose = new Set(["labeling.saveDraft", "feedback.give"]);

/** A request that goes on to the server though its page closes. A longer one goes as others do. */
function fetchKeptAlive(input: RequestInfo | URL | string, init?: RequestInit): Promise<Response> {
  const isKept = typeof init?.body === "string" && new Blob([init.body]).size <= mostKeptBytes;
  return fetch(input, { ...init, keepalive: isKept });
}

/**
 * Queries and mutations go in batches, but for those of the moment in which a page closes, when a batch is not waited for: the
 * draft of a task, the thumb on an answer. A subscription is a stream of server-sent events that resumes by itself; a
 * temporary chat, of which the server keeps nothing to resume from, streams the response of its mutation.
 */
export function createClient() {
  const common = { url, transformer: superjson };
  return createTRPCClient<AppRouter>({
    links: [
      splitLink({
        condition: ({ type }) => type === "subscription",
        true: httpSubscriptionLink(common),
        false: splitLink({
          condition: ({ path }) => path === "chat.temporary",
          true: httpBatchStreamLink({ ...common, maxItems: 1 }),
          false: splitLink({
            condition: ({ path }) => sentAtClose.has(path),
            true: httpLink({ ...common, fetch: fetchKeptAlive }),
            false: httpBatchLink({ ...common, maxURLLength: 8_000, maxItems: 10 }),
          }),
        }),
      }),
    ],
  });
}
