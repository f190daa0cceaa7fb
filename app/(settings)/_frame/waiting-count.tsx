/** @file How many questions of labelers wait for an answer, beside the link to them. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useTRPC } from "@/app/_lib/trpc";
import { CountBadge } from "./count-badge";

export function WaitingCount() {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.questions.countOpen.queryOptions(undefined, { refetchInterval: 60_000 }));
  return <CountBadge count={data ?? 0} of="open" />;
}
