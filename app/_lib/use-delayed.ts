/** @file A value that follows another only once it has stood still, so that typing does not ask at every key. */
"use client";

import { useEffect, useState } from "react";

export function useDelayed<T>(value: T, delayMs: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delayMs);
    return () => clearTimeout(timer);
  }, [value, delayMs]);
  return settled;
}
