/** @file The frame of all chat pages: the list on the left, or in a drawer on small screens, and the page beside it. */
"use client";

import { useRouter } from "next/navigation";
import { type ReactNode, useState } from "react";
import { Drawer } from "@/app/_components/dialog";
import { ShortcutSheet } from "@/app/_components/shortcut-sheet";
import type { ConversationPage } from "@/app/_lib/api-types";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import type { Viewer } from "@/app/_lib/viewer";
import { ViewerProvider } from "@/app/_lib/viewer-context";
import { ConversationList } from "../_list/conversation-list";
import { ListDrawerContext } from "./list-drawer";
import { PersonPanel } from "./person-panel";
import { useConversationChanges } from "./use-conversation-changes";

const shortcuts = [
  { keys: ["/"], does: "Search conversations" },
  { keys: ["n"], does: "New conversation" },
  { keys: ["i"], does: "Write a message" },
  { keys: ["Enter"], does: "Send" },
  { keys: ["Shift", "Enter"], does: "New line" },
  { keys: ["Esc"], does: "Stop the answer; leave the field" },
  { keys: ["e"], does: "Edit the last question" },
  { keys: ["r"], does: "Another answer to the last question" },
  { keys: ["c"], does: "Copy the last answer" },
  { keys: ["1", "2"], does: "Of two drafts, this one is better" },
  { keys: ["=", "b"], does: "Two drafts are as good as each other; both are bad" },
  { keys: ["?"], does: "Show this sheet" },
];

type ChatFrameProps = { viewer: Viewer; firstPage: ConversationPage; children: ReactNode };

export function ChatFrame({ viewer, firstPage, children }: ChatFrameProps) {
  const router = useRouter();
  const [isDrawerOpen, setIsDrawerOpen] = useState(false);
  const [isSheetOpen, setIsSheetOpen] = useState(false);
  useShortcuts({ "?": () => setIsSheetOpen(true), n: () => router.push("/") });
  useConversationChanges();

  const panel = <PersonPanel onShowShortcuts={() => setIsSheetOpen(true)} />;

  return (
    <ViewerProvider viewer={viewer}>
      <ListDrawerContext value={() => setIsDrawerOpen(true)}>
        <a
          href="#write"
          className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-raised focus:px-3 focus:py-2"
        >
          Skip to the conversation
        </a>
        <div className="flex h-dvh">
          <aside
            aria-label="Conversations and account"
            className="hidden w-72 shrink-0 flex-col bg-sunken md:flex"
          >
            <ConversationList firstPage={firstPage} />
            {panel}
          </aside>
          <Drawer open={isDrawerOpen} onOpenChange={setIsDrawerOpen} title="Conversations">
            <ConversationList firstPage={firstPage} onNavigate={() => setIsDrawerOpen(false)} />
            {panel}
          </Drawer>
          <div className="flex min-w-0 grow flex-col">{children}</div>
        </div>
        <ShortcutSheet open={isSheetOpen} onOpenChange={setIsSheetOpen} shortcuts={shortcuts} />
      </ListDrawerContext>
    </ViewerProvider>
  );
}
