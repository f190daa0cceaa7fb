/** @file The line above a conversation: its title, which policy answers, its settings and its menu. */
"use client";

import { type ReactNode, useState } from "react";
import { IconButton } from "@/app/_components/button";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Menu } from "@/app/_components/menu";
import type { Conversation } from "@/app/_lib/api-types";
import { OpenListButton } from "../_frame/list-drawer";
import { ConversationMenuItems } from "../_list/conversation-menu-items";
import { TitleInput } from "../_list/conversation-row";
import { useConversationActions } from "../_list/use-conversation-actions";
import { usePolicy } from "./use-policy";

/** The frame all chat headers share. */
export function ChatHeader({ title, children }: { title: ReactNode; children?: ReactNode }) {
  const policy = usePolicy();
  return (
    <header className="flex min-h-13 items-center gap-2 px-3 py-2 md:px-4">
      <OpenListButton />
      <div className="flex min-w-0 grow items-center">{title}</div>
      {policy && (
        <span className="hidden max-w-56 shrink-0 truncate sm:block" title="The live policy answers here">
          <MeaningBadge meaning="live">{policy.checkpoint.name}</MeaningBadge>
        </span>
      )}
      <div className="flex items-center">{children}</div>
    </header>
  );
}

type ConversationHeaderProps = { conversation: Conversation; onOpenSettings: () => void };

export function ConversationHeader({ conversation, onOpenSettings }: ConversationHeaderProps) {
  const [isRenaming, setIsRenaming] = useState(false);
  const actions = useConversationActions();
  const title = conversation.title || "New conversation";

  return (
    <ChatHeader
      title={
        isRenaming ? (
          <TitleInput
            title={title}
            onDone={(changed) => {
              setIsRenaming(false);
              if (changed) actions.rename(conversation.id, changed);
            }}
          />
        ) : (
          <h1 className="min-w-0 truncate font-semibold" title={title}>
            {title}
          </h1>
        )
      }
    >
      <IconButton icon="sliders" label="Settings of this conversation" onClick={onOpenSettings} />
      <Menu trigger={<IconButton icon="dots" label="More actions" />}>
        <ConversationMenuItems
          conversation={conversation}
          actions={actions}
          onRename={() => setIsRenaming(true)}
        />
      </Menu>
    </ChatHeader>
  );
}
