/** @file Answers to one's questions that were not seen yet, looked for now and then while the page is in sight. */
"use client";

import { useQuery } from "@tanstack/react-query";
import type { OwnQuestion } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";

const everyMs = 30_000;

export function useNewAnswers(): OwnQuestion[] {
  const { data } = useQuery(
    useTRPC().labeling.questions.queryOptions(undefined, { refetchInterval: everyMs }),
  );
  return data?.filter(({ isNew }) => isNew) ?? [];
}
