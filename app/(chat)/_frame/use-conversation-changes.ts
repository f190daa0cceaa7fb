/** @file Keeps the list and the open conversation true to what other tabs, devices and the server do. */
"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useSubscription } from "@trpc/tanstack-react-query";
import { useEffect } from "react";
import { useTRPC } from "@/app/_lib/trpc";
import { useIsPageVisible } from "@/app/_lib/use-is-page-visible";

export function useConversationChanges(): void {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const isVisible = useIsPageVisible();

  // A browser allows few connections to one server over HTTP/1.1, so tabs that nobody looks at hold none.
  useSubscription(
    trpc.conversations.changes.subscriptionOptions(undefined, {
      enabled: isVisible,
      onData: ({ conversationId, kind }) => {
        void queries.invalidateQueries({ queryKey: trpc.conversations.list.pathKey() });
        if (kind === "deleted") return;
        void queries.invalidateQueries({ queryKey: trpc.conversations.get.queryKey({ conversationId }) });
      },
      // Signed out meanwhile: reading anything says so, and leads to the sign-in page.
      onError: () => void queries.invalidateQueries({ queryKey: trpc.conversations.list.pathKey() }),
    }),
  );

  // What happened while the tab was hidden was not told.
  useEffect(() => {
    if (isVisible) void queries.invalidateQueries({ queryKey: trpc.conversations.pathKey() });
  }, [isVisible, queries, trpc]);
}
