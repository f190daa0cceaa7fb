/** @file What every page's client components stand on: the API client, its cache, tooltips and toasts. */
"use client";

import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { errorCode } from "../_lib/error-text";
import { adoptStyleNonce } from "../_lib/style-nonce";
import { createClient, TRPCProvider } from "../_lib/trpc";
import { ToastProvider } from "./toast";
import { TooltipProvider } from "./tooltip";

export function Providers({ children }: { children: ReactNode }) {
  const [queryClient] = useState(createQueryClient);
  const [trpcClient] = useState(createClient);
  useEffect(adoptStyleNonce, []);

  return (
    <QueryClientProvider client={queryClient}>
      <TRPCProvider queryClient={queryClient} trpcClient={trpcClient}>
        <TooltipProvider delayDuration={500}>
          <ToastProvider>{children}</ToastProvider>
        </TooltipProvider>
      </TRPCProvider>
    </QueryClientProvider>
  );
}

function createQueryClient(): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({ onError: leaveWhenSignedOut }),
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        // An answer that says no stays no; only an unreachable server is asked again.
        retry: (failures, error) => errorCode(error) === null && failures < 3,
      },
    },
  });
}

/** The session ended (revoked, expired, signed out in another tab): sign in, then come back here. */
function leaveWhenSignedOut(error: unknown): void {
  if (errorCode(error) !== "UNAUTHORIZED" || location.pathname.startsWith("/sign-")) return;
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}
