/** @file How many notifications the viewer has not read, beside the link to them. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useTRPC } from "@/app/_lib/trpc";
import { CountBadge } from "./count-badge";

export function UnreadCount() {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.notifications.list.queryOptions({ limit: 50 }, { refetchInterval: 30_000 }));
  return <CountBadge count={data?.unread ?? 0} of="unread" />;
}
