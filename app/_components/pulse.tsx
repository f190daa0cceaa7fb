/** @file A quiet sign that something is on its way: a pulsing dot beside steady, readable words. */
import type { ReactNode } from "react";

export function Pulse({ children }: { children: ReactNode }) {
  return (
    <p role="status" className="flex items-center gap-2 text-small text-muted">
      <span aria-hidden="true" className="size-2 shrink-0 rounded-full bg-accent animate-pulse-quiet" />
      {children}
    </p>
  );
}
