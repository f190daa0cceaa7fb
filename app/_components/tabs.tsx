/** @file Tabs: several views of one thing, one shown at a time. */
"use client";

import { Tabs as Primitive } from "radix-ui";
import type { ReactNode } from "react";
import { useIsHydrated } from "./moment";

type Tab = { id: string; title: string; content: ReactNode };

export function Tabs({ label, tabs }: { label: string; tabs: [Tab, ...Tab[]] }) {
  // On the server the library gives its panels inline styles, which the security policy refuses.
  if (!useIsHydrated()) return null;
  return (
    <Primitive.Root defaultValue={tabs[0].id}>
      <Primitive.List aria-label={label} className="flex gap-4 border-b border-line">
        {tabs.map((tab) => (
          <Primitive.Trigger
            key={tab.id}
            value={tab.id}
            className="-mb-px border-b-2 border-transparent py-2 text-muted hover:text-ink data-[state=active]:border-accent data-[state=active]:text-ink"
          >
            {tab.title}
          </Primitive.Trigger>
        ))}
      </Primitive.List>
      {tabs.map((tab) => (
        <Primitive.Content key={tab.id} value={tab.id} className="pt-4">
          {tab.content}
        </Primitive.Content>
      ))}
    </Primitive.Root>
  );
}
