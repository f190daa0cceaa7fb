/** @file The state of the form that makes a batch. */
"use client";

import { useMutation, useQuery } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { useToast } from "@/app/_components/toast";
import type { Batch, NewBatch, NewTest, PolicyChoice } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

export type BatchDraft = {
  name: string;
  task: Batch["task"];
  purpose: "work" | "practice" | "qualification";
  /** Of practice and tests: the batch whose tasks are copied; empty = new tasks. */
  sourceId: string;
  test: NewTest;
  sources: NonNullable<Extract<NewBatch["prompts"], { by: "filter" }>["sources"]>;
  splits: NonNullable<Extract<NewBatch["prompts"], { by: "filter" }>["splits"]>;
  order: "priority" | "newest";
  count: number;
  includesUsed: boolean;
  includesSensitive: boolean;
  policies: string[];
  k: number;
  temperature: number;
  maxTokens: number;
  overlap: number;
  guidelinesVersion: number | null;
  priority: number;
  /** yyyy-mm-dd; empty = none. */
  deadline: string;
  hasRatings: boolean;
  /** Percent. */
  repeatShare: number;
  goldShare: number;
  /** Empty = not told. */
  costPerHour: string;
  opensAtOnce: boolean;
};

type Start = { policies: readonly PolicyChoice[]; purpose: BatchDraft["purpose"]; test: NewTest };

function startOf({ policies, purpose, test }: Start): BatchDraft {
  // Fresh rankings of the policy people talk to are worth most.
  const live = policies.find(({ channels }) => channels.includes("live")) ?? policies[0];
  return {
    name: "",
    task: "ranking",
    purpose,
    sourceId: "",
    test,
    sources: [],
    splits: [],
    order: "priority",
    count: purpose === "work" ? 100 : 10,
    includesUsed: false,
    includesSensitive: true,
    policies: live ? [live.id] : [],
    k: 9,
    temperature: 1,
    maxTokens: 512,
    overlap: 1,
    guidelinesVersion: null,
    priority: 0,
    deadline: "",
    hasRatings: true,
    repeatShare: 0,
    goldShare: 0,
    costPerHour: "",
    opensAtOnce: true,
  };
}

export function useNewBatch(start: Start) {
  const trpc = useTRPC();
  const router = useRouter();
  const toast = useToast();
  const [draft, setDraft] = useState(() => startOf(start));
  const { task, sources, splits, includesUsed, includesSensitive } = draft;
  const counted = useQuery(
    trpc.batches.countPrompts.queryOptions(
      { task, filter: { sources, splits, includesUsed, includesSensitive } },
      { placeholderData: (previous) => previous },
    ),
  );
  const making = useMutation(
    trpc.batches.create.mutationOptions({
      onSuccess: ({ batchId, tasks }) => {
        toast({ text: `The batch has ${plural(tasks, "task", "tasks")}.` });
        router.push(`/admin/batches/${batchId}`);
      },
    }),
  );
  return {
    draft,
    change: (part: Partial<BatchDraft>) => setDraft({ ...draft, ...part }),
    counts: counted.data ?? null,
    error: making.error ?? counted.error,
    isBusy: making.isPending,
    submit: () => making.mutate(toBatch(draft)),
  };
}

/** What the server takes; what does not apply to the task is left out. */
export function toBatch(draft: BatchDraft): NewBatch {
  const { sources, splits, order, count, includesUsed, includesSensitive, sourceId, test, ...rest } = draft;
  const isWritten = draft.task === "demonstration";
  const isWork = draft.purpose === "work";
  const isCopied = !isWork && sourceId !== "";
  return {
    ...rest,
    test: draft.purpose === "qualification" ? test : null,
    prompts: isCopied
      ? { by: "batch", batchId: sourceId, count }
      : { by: "filter", sources, splits, order, count, includesUsed, includesSensitive },
    policies: isWritten || isCopied ? [] : draft.policies,
    hasRatings: draft.purpose === "qualification" || draft.hasRatings,
    k: draft.task === "ranking" ? draft.k : null,
    // The end of that day.
    deadline: draft.deadline === "" ? null : new Date(`${draft.deadline}T23:59:59`),
    repeatShare: isWork ? draft.repeatShare / 100 : 0,
    goldShare: isWork ? draft.goldShare / 100 : 0,
    costPerHour: draft.costPerHour === "" ? null : Number(draft.costPerHour),
  };
}
