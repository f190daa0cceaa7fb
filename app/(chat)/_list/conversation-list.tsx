/** @file The list beside every chat page: search, pinned, today, earlier, and the archive behind one button. */
"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useParams } from "next/navigation";
import { type ReactNode, useRef, useState } from "react";
import { Button } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { Icon } from "@/app/_components/icon";
import { useIsHydrated } from "@/app/_components/moment";
import type { ConversationPage, ConversationSummary } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import { groupByAge, startOfToday } from "./conversation-groups";
import { ConversationRow } from "./conversation-row";
import { SearchResults } from "./search-results";
import { useConversationActions } from "./use-conversation-actions";

type ConversationListProps = {
  /** What the server already knew when it made the page. */
  firstPage: ConversationPage;
  onNavigate?: () => void;
};

export function ConversationList({ firstPage, onNavigate = () => {} }: ConversationListProps) {
  const [query, setQuery] = useState("");
  const [isArchive, setIsArchive] = useState(false);
  const searchField = useRef<HTMLInputElement>(null);
  useShortcuts({ "/": () => searchField.current?.focus() });

  const leave = () => {
    setQuery("");
    onNavigate();
  };

  return (
    <>
      <div className="space-y-2 p-2">
        <Link href="/" onClick={leave} className={`${buttonClass("plain")} w-full`}>
          <Icon name="plus" size={16} />
          New conversation
        </Link>
        <label className="relative block">
          <span className="sr-only">Search conversations</span>
          <span className="pointer-events-none absolute top-2.5 left-2.5 text-muted">
            <Icon name="search" size={16} />
          </span>
          <input
            ref={searchField}
            type="search"
            value={query}
            placeholder="Search"
            maxLength={200}
            aria-keyshortcuts="/"
            onChange={(event) => setQuery(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== "Escape") return;
              setQuery("");
              event.currentTarget.blur();
            }}
            className="min-h-9 w-full rounded-md bg-hover pr-2 pl-8"
          />
        </label>
      </div>
      <nav aria-label="Conversations" className="min-h-0 grow overflow-y-auto px-2 pb-2">
        {query.trim() ? (
          <SearchResults query={query} onNavigate={leave} />
        ) : isArchive ? (
          <Archive onLeave={() => setIsArchive(false)} onNavigate={leave} />
        ) : (
          <AtHand firstPage={firstPage} onNavigate={leave} onOpenArchive={() => setIsArchive(true)} />
        )}
      </nav>
    </>
  );
}

function AtHand(props: { firstPage: ConversationPage; onNavigate: () => void; onOpenArchive: () => void }) {
  const trpc = useTRPC();
  const isHydrated = useIsHydrated();
  const list = useInfiniteQuery(
    trpc.conversations.list.infiniteQueryOptions(
      { archived: false },
      {
        getNextPageParam: (page) => page.nextCursor,
        initialData: { pages: [props.firstPage], pageParams: [null] },
      },
    ),
  );
  const pinned = list.data.pages[0]?.pinned ?? [];
  const groups = groupByAge(
    list.data.pages.flatMap((page) => page.conversations),
    startOfToday(isHydrated),
  );

  return (
    <>
      {pinned.length > 0 && <Group title="Pinned" conversations={pinned} onNavigate={props.onNavigate} />}
      {groups.map((group) => (
        <Group key={group.title} {...group} onNavigate={props.onNavigate} />
      ))}
      {pinned.length + groups.length === 0 && (
        <p className="px-3 py-2 text-small text-muted">
          Your conversations will be here. Write a first message to begin one.
        </p>
      )}
      {list.error && <p className="px-3 py-2 text-small text-danger">{errorText(list.error)}</p>}
      <ShowMore list={list} />
      <Button
        look="quiet"
        small
        className="mt-2 w-full justify-start! text-muted"
        onClick={props.onOpenArchive}
      >
        <Icon name="archive" size={16} />
        Archive
      </Button>
    </>
  );
}

function Archive({ onLeave, onNavigate }: { onLeave: () => void; onNavigate: () => void }) {
  const trpc = useTRPC();
  const list = useInfiniteQuery(
    trpc.conversations.list.infiniteQueryOptions(
      { archived: true },
      { getNextPageParam: (page) => page.nextCursor },
    ),
  );
  const archived = list.data?.pages.flatMap((page) => page.conversations);

  return (
    <>
      <Button look="quiet" small className="w-full justify-start! text-muted" onClick={onLeave}>
        <Icon name="chevronLeft" size={16} />
        Back to the list
      </Button>
      {archived?.length === 0 && (
        <p className="px-3 py-2 text-small text-muted">
          Archived conversations will be here: out of the way, still found by search.
        </p>
      )}
      {archived && archived.length > 0 && (
        <Group title="Archive" conversations={archived} onNavigate={onNavigate} />
      )}
      {list.error && <p className="px-3 py-2 text-small text-danger">{errorText(list.error)}</p>}
      <ShowMore list={list} />
    </>
  );
}

type GroupProps = { title: string; conversations: ConversationSummary[]; onNavigate: () => void };

function Group({ title, conversations, onNavigate }: GroupProps): ReactNode {
  const { conversationId } = useParams<{ conversationId?: string }>();
  const actions = useConversationActions();
  return (
    <section aria-label={title}>
      <h2 className="px-3 pt-3 pb-1 text-small font-medium text-muted">{title}</h2>
      <ul>
        {conversations.map((conversation) => (
          <ConversationRow
            key={conversation.id}
            conversation={conversation}
            isCurrent={conversation.id === conversationId}
            actions={actions}
            onNavigate={onNavigate}
          />
        ))}
      </ul>
    </section>
  );
}

type Pages = { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => Promise<unknown> };

function ShowMore({ list }: { list: Pages }) {
  if (!list.hasNextPage) return null;
  return (
    <Button
      look="quiet"
      small
      className="w-full justify-start! text-muted"
      busy={list.isFetchingNextPage}
      onClick={() => void list.fetchNextPage()}
    >
      Show more
    </Button>
  );
}
