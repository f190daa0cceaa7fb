/** @file The clock of one task: runs while something is done, stands while idle or out of sight. */
"use client";

import { useCallback, useEffect, useRef } from "react";
import { type ActiveTime, activeMsAt, addSign, hide } from "./active-time";

const signs = ["keydown", "pointerdown", "pointermove", "wheel", "touchmove", "scroll"] as const;

/** @returns reads the milliseconds so far, those of earlier visits included */
export function useActiveTime(earlierMs: number): () => number {
  const time = useRef<ActiveTime>({ activeMs: earlierMs, lastSignAt: null });

  useEffect(() => {
    const onSign = () => {
      time.current = addSign(time.current, performance.now());
    };
    const onVisibility = () => {
      if (document.visibilityState === "visible") onSign();
      else time.current = hide(time.current, performance.now());
    };
    onVisibility();
    // Captured: panes that scroll by themselves do not tell the document.
    for (const sign of signs) document.addEventListener(sign, onSign, { capture: true, passive: true });
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      for (const sign of signs) document.removeEventListener(sign, onSign, { capture: true });
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, []);

  return useCallback(() => Math.round(activeMsAt(time.current, performance.now())), []);
}
