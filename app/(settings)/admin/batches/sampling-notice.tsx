/** @file What keeps the background from sampling responses, while something does. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { useTRPC } from "@/app/_lib/trpc";

/** @param policies only what concerns these checkpoints; all without */
export function SamplingNotice({ policies }: { policies?: readonly string[] }) {
  const trpc = useTRPC();
  const { data } = useQuery(trpc.batches.sampling.queryOptions(undefined, { refetchInterval: 10_000 }));
  const hindrances = data?.hindrances.filter(({ checkpointId }) => policies?.includes(checkpointId) ?? true);
  return hindrances?.map(({ checkpointId, message, nextTryAt }) => (
    <Notice key={checkpointId} tone="warning">
      Sampling from policy {checkpointId.slice(0, 8)} waits: {message} What is sampled already is safe. Next
      try: <Moment at={nextTryAt} />.
    </Notice>
  ));
}
