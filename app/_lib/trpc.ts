/** @file The typed client of the server's procedures, for client components. */
"use client";

import {
  createTRPCClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpSubscriptionLink,
  splitLink,
} from "@trpc/client";
import { createTRPCContext } from "@trpc/tanstack-react-query";
import superjson from "superjson";
import type { AppRouter } from "@/server/routers/root";

export const { TRPCProvider, useTRPC, useTRPCClient } = createTRPCContext<AppRouter>();

const url = "/api/trpc";

/**
 * Queries and mutations go in batches. A subscription is a stream of server-sent events that resumes by itself; a
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
          false: httpBatchLink({ ...common, maxURLLength: 8_000, maxItems: 10 }),
        }),
      }),
    ],
  });
}
