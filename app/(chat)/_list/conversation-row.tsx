/** @file One conversation in the list: a link, renamed in place, with its menu of actions. */
"use client";

import Link from "next/link";
import { type KeyboardEvent, useState } from "react";
import { IconButton } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { Menu } from "@/app/_components/menu";
import type { ConversationSummary } from "@/app/_lib/api-types";
import { ConversationMenuItems } from "./conversation-menu-items";
import type { ConversationActions } from "./use-conversation-actions";

type ConversationRowProps = {
  conversation: ConversationSummary;
  isCurrent: boolean;
  actions: ConversationActions;
  onNavigate: () => void;
};

export function ConversationRow({ conversation, isCurrent, actions, onNavigate }: ConversationRowProps) {
  const [isRenaming, setIsRenaming] = useState(false);
  const title = conversation.title || "New conversation";

  return (
    <li
      className={classNames(
        "group relative flex items-center rounded-md",
        isCurrent ? "bg-selected" : "hover:bg-hover",
      )}
    >
      {isRenaming ? (
        <TitleInput
          title={title}
          onDone={(changed) => {
            setIsRenaming(false);
            if (changed) actions.rename(conversation.id, changed);
          }}
        />
      ) : (
        <Link
          href={`/c/${conversation.id}`}
          aria-current={isCurrent ? "page" : undefined}
          onClick={onNavigate}
          onDoubleClick={() => setIsRenaming(true)}
          className="flex min-h-9 min-w-0 grow items-center gap-2 rounded-md py-1.5 pl-3 group-hover:pr-9 pointer-coarse:pr-9 group-has-data-[state=open]:pr-9"
        >
          <span className="truncate">{title}</span>
          {conversation.isAnswering && (
            <span className="ml-auto mr-3 size-2 shrink-0 rounded-full bg-accent animate-pulse-quiet">
              <span className="sr-only">answering</span>
            </span>
          )}
        </Link>
      )}
      {!isRenaming && (
        <Menu
          trigger={
            <IconButton
              icon="dots"
              label={`Actions for ${title}`}
              className="absolute right-0.5 opacity-0 group-hover:opacity-100 focus-visible:opacity-100 data-[state=open]:opacity-100 pointer-coarse:opacity-100"
            />
          }
        >
          <ConversationMenuItems
            conversation={conversation}
            actions={actions}
            onRename={() => setIsRenaming(true)}
          />
        </Menu>
      )}
    </li>
  );
}

type TitleInputProps = { title: string; onDone: (changed: string | null) => void };

/** Enter or leaving the field keeps the title, Escape keeps the old one. */
export function TitleInput({ title, onDone }: TitleInputProps) {
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === "Enter") event.currentTarget.blur();
    if (event.key === "Escape") {
      event.stopPropagation();
      event.currentTarget.value = title;
      event.currentTarget.blur();
    }
  };
  return (
    <input
      aria-label="Title of the conversation"
      defaultValue={title}
      maxLength={200}
      // The person just asked to write here.
      ref={(input) => input?.select()}
      onKeyDown={onKeyDown}
      onBlur={({ currentTarget: { value } }) =>
        onDone(value.trim() && value.trim() !== title ? value.trim() : null)
      }
      className="min-h-9 w-full min-w-0 rounded-md border border-control bg-raised px-3"
    />
  );
}
