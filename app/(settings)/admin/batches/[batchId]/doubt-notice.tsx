/** @file What keeps a reward model from ordering a batch's tasks, while something does. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { useTRPC } from "@/app/_lib/trpc";

export function DoubtNotice({ modelId }: { modelId: string }) {
  const trpc = useTRPC();
  const { data } = useQuery(
    trpc.batches.doubtHindrances.queryOptions(undefined, { refetchInterval: 10_000 }),
  );
  const found = data?.find((hindrance) => hindrance.modelId === modelId);
  if (!found) return null;
  return (
    <Notice tone="warning">
      The order waits for reward model {modelId.slice(0, 8)}: {found.message} Tasks that are not scored go out
      in their plain order meanwhile. Next try: <Moment at={found.nextTryAt} />.
    </Notice>
  );
}
