/** @file Conversations that hold the words searched for, with the place where they stand. */
"use client";

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { Moment } from "@/app/_components/moment";
import { Pulse } from "@/app/_components/pulse";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useDelayed } from "@/app/_lib/use-delayed";
import { HighlightedText } from "./highlighted-text";

type SearchResultsProps = { query: string; onNavigate: () => void };

export function SearchResults({ query, onNavigate }: SearchResultsProps) {
  const trpc = useTRPC();
  const settled = useDelayed(query.trim(), 200);
  const search = useQuery(
    trpc.conversations.search.queryOptions({ query: settled }, { placeholderData: keepPreviousData }),
  );

  if (search.error) return <p className="px-3 py-2 text-small text-danger">{errorText(search.error)}</p>;
  if (!search.data)
    return (
      <div className="px-3 py-2">
        <Pulse>Searching…</Pulse>
      </div>
    );

  const found = search.data.length === 1 ? "1 conversation" : `${search.data.length} conversations`;
  return (
    <>
      <p role="status" className="px-3 py-1 text-small text-muted">
        {search.data.length === 0 ? `Nothing holds “${settled}”. Titles and messages were searched.` : found}
      </p>
      <ul aria-label="Search results">
        {search.data.map(({ conversation, messageId, snippet }) => (
          <li key={conversation.id}>
            <Link
              href={`/c/${conversation.id}${messageId ? `?message=${messageId}` : ""}`}
              onClick={onNavigate}
              className="block rounded-md px-3 py-1.5 hover:bg-hover"
            >
              <span className="flex items-baseline gap-2">
                <span className="min-w-0 grow truncate">
                  <HighlightedText text={conversation.title || "New conversation"} query={settled} />
                </span>
                <span className="shrink-0 text-small text-muted">
                  {conversation.isArchived ? (
                    "archived"
                  ) : (
                    <Moment at={conversation.updatedAt} withTime={false} />
                  )}
                </span>
              </span>
              {snippet && (
                <span className="line-clamp-2 text-small text-muted">
                  <HighlightedText text={snippet} query={settled} />
                </span>
              )}
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}
