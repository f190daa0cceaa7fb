/** @file Makes a dataset of the prompts that the product has and that may be trained on now. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import type { Dataset } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

export function PromptsHere({ onDone }: { onDone: (dataset: Dataset) => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const count = useQuery(trpc.datasets.countPrompts.queryOptions()).data ?? 0;
  const making = useMutation(
    trpc.datasets.fromPrompts.mutationOptions({
      async onSuccess(dataset) {
        await queries.invalidateQueries({ queryKey: trpc.datasets.pathKey() });
        onDone(dataset);
      },
    }),
  );
  const today = new Date().toISOString().slice(0, 10);
  return (
    <div className="space-y-2">
      <Button
        small
        disabled={count === 0}
        busy={making.isPending}
        onClick={() => making.mutate({ name: `Prompts of ${today}` })}
      >
        Take the prompts of this server
      </Button>
      <p className="text-small text-muted">
        {count === 0
          ? "Prompts that people agreed to share, and those that labelers wrote, can be taken from here once there are any."
          : `${plural(count, "prompt", "prompts")} for training: ready, and their owners agree. Those kept for evaluation are not among them.`}
      </p>
      {making.error && <Notice tone="error">{errorText(making.error)}</Notice>}
    </div>
  );
}
