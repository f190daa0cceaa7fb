/** @file A point in time, short in the text and exact in the tooltip; formatted in the reader's own locale and zone. */
"use client";

import { useSyncExternalStore } from "react";

const never = () => () => {};

/** False on the server and in the first render, whose text must not depend on the reader's time zone. */
export function useIsHydrated(): boolean {
  return useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
}

const dateTime: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeStyle: "short" };

export function Moment({ at, withTime = true }: { at: Date | string; withTime?: boolean }) {
  const isHydrated = useIsHydrated();
  const date = new Date(at);
  const iso = date.toISOString();
  return (
    <time dateTime={iso} title={isHydrated ? date.toLocaleString() : iso}>
      {isHydrated
        ? date.toLocaleString(undefined, withTime ? dateTime : { dateStyle: "medium" })
        : iso.slice(0, 10)}
    </time>
  );
}
