/** @file How many notifications the viewer has not read, beside the link to them. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useTRPC } from "@/app/_lib/trpc";

export function UnreadCount() {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.notifications.list.queryOptions({ limit: 50 }, { refetchInterval: 30_000 }));
  if (!data || data.unread === 0) return null;
  return (
    <span className="ml-auto rounded-full bg-accent px-1.5 text-small text-on-accent tabular">
      {data.unread > 99 ? "99+" : data.unread}
      <span className="sr-only"> unread</span>
    </span>
  );
}
