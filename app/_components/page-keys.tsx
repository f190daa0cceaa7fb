/** @file The keys of one page beside the chat: acts on them, and `?` shows them. */
"use client";

import { useState } from "react";
import { useShortcuts } from "../_lib/use-shortcuts";
import { ShortcutSheet } from "./shortcut-sheet";

/** `key` as in `KeyboardEvent.key`, in lower case. */
export type PageKey = { key: string; label?: string; does: string; act: () => void };

export function PageKeys({ keys }: { keys: readonly PageKey[] }) {
  const [isOpen, setIsOpen] = useState(false);
  useShortcuts({
    ...Object.fromEntries(keys.map(({ key, act }) => [key, act])),
    "?": () => setIsOpen(true),
  });
  const shortcuts = [
    ...keys.map(({ key, label, does }) => ({ keys: [label ?? key], does })),
    { keys: ["?"], does: "Show these keys" },
  ];
  return <ShortcutSheet open={isOpen} onOpenChange={setIsOpen} shortcuts={shortcuts} />;
}
