/** @file The policy that answers here, and how answers are sampled where nobody says otherwise. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useTRPC } from "@/app/_lib/trpc";

export function usePolicy() {
  const trpc = useTRPC();
  const channels = useQuery(trpc.models.channels.queryOptions(undefined, { staleTime: 30_000 }));
  return channels.data?.find(({ name }) => name === "live") ?? null;
}

/** Null until it is known. */
export function useDefaultSampling() {
  const trpc = useTRPC();
  return useQuery(trpc.models.defaultSampling.queryOptions(undefined, { staleTime: Infinity })).data ?? null;
}
