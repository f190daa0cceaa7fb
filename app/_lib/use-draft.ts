/** @file Keeps what a person has written but not sent, per conversation, over reload and navigation. */
"use client";

import { useCallback, useEffect, useState } from "react";

const prefix = "attune.draft.";

/** The draft and its setter. An empty draft is not stored; with `key` null nothing is. */
export function useDraft(key: string | null): [draft: string, setDraft: (text: string) => void] {
  const [draft, setDraft] = useState("");

  useEffect(() => {
    setDraft(key === null ? "" : readStored(prefix + key));
  }, [key]);

  const change = useCallback(
    (text: string) => {
      setDraft(text);
      if (key !== null) writeStored(prefix + key, text);
    },
    [key],
  );

  return [draft, change];
}

/** On sign-out: the next person at this browser must not read them. */
export function forgetDrafts(): void {
  try {
    const keys = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index));
    for (const key of keys) if (key?.startsWith(prefix)) localStorage.removeItem(key);
  } catch {
    // Storage is switched off: nothing was kept.
  }
}

function readStored(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return ""; // Storage is switched off: drafts live as long as the page.
  }
}

function writeStored(key: string, text: string): void {
  try {
    if (text === "") localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // Storage is full or switched off: the text on screen is still there.
  }
}
