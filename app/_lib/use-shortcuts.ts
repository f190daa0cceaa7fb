/** @file One-key shortcuts, silent wherever text is being written or a dialog is open. */
"use client";

import { useEffect, useRef } from "react";

/** Keys as in `KeyboardEvent.key`, in lower case (`escape`, `e`, `?`). Keys held with Ctrl, Alt or Meta are not ours. */
export function useShortcuts(actions: Record<string, () => void>): void {
  const latest = useRef(actions);
  useEffect(() => {
    latest.current = actions;
  });

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const action = latest.current[event.key.toLowerCase()];
      if (
        !action ||
        isWriting(event.target) ||
        isPressing(event) ||
        document.querySelector("[role=dialog], [role=menu]")
      )
        return;
      event.preventDefault();
      action();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

/** Enter and the space bar on a button or link press it. */
function isPressing({ key, target }: KeyboardEvent): boolean {
  return (
    (key === "Enter" || key === " ") &&
    target instanceof Element &&
    target.closest("button, a, summary") !== null
  );
}

/** Whether a press there is text. */
export function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName))
  );
}
