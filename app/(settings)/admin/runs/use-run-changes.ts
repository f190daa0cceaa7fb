/** @file Keeps lists of runs true: told by the server while the tab is in front, asked now and then in any case. */
"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useSubscription } from "@trpc/tanstack-react-query";
import { useEffect, useRef } from "react";
import { useTRPC } from "@/app/_lib/trpc";
import { useIsPageVisible } from "@/app/_lib/use-is-page-visible";

/** Runs report several times a second; a list need not. */
const quietMs = 1_000;
const reconnectMs = 5_000;

/** `onChange` is called with the ids of runs that changed, and with none after an absence. */
export function useRunChanges(onChange?: (runIds: string[]) => void): void {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const isVisible = useIsPageVisible();
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);

  const reload = () => {
    timer.current ??= setTimeout(() => {
      timer.current = null;
      void queries.invalidateQueries({ queryKey: trpc.runs.list.pathKey() });
    }, quietMs);
  };
  const subscription = useSubscription(
    trpc.runs.changes.subscriptionOptions(undefined, {
      enabled: isVisible,
      // What happened between the list and the connection is not told: asked for.
      onStarted: reload,
      onData: (runIds) => {
        reload();
        onChange?.(runIds);
      },
      onError: () => setTimeout(() => subscription.reset(), reconnectMs),
    }),
  );
  useEffect(
    () => () => {
      if (timer.current) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );
}
