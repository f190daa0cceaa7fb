/** @file Whether the tab is in front: pages nobody looks at hold no connection. */
"use client";

import { useSyncExternalStore } from "react";

export function useIsPageVisible(): boolean {
  return useSyncExternalStore(
    (onChange) => {
      document.addEventListener("visibilitychange", onChange);
      return () => document.removeEventListener("visibilitychange", onChange);
    },
    () => document.visibilityState === "visible",
    () => true,
  );
}
