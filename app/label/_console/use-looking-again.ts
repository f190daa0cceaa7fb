/** @file Looks for a task again while there is none, as long as somebody has the page in front of them. */
"use client";

import { useEffect, useRef } from "react";

/** Somebody who waits is served soon; fifty who wait ask twice a second together. */
export const lookAgainMs = 30_000;

/** A page in the background asks for nothing: it would take a task that nobody sees. */
export function useLookingAgain(isWaiting: boolean, look: () => void): void {
  const latest = useRef(look);
  latest.current = look;
  useEffect(() => {
    if (!isWaiting) return;
    const timer = setInterval(() => document.hasFocus() && latest.current(), lookAgainMs);
    return () => clearInterval(timer);
  }, [isWaiting]);
}
