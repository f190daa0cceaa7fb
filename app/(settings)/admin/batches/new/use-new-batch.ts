/** @file The state of the form that makes a batch. */
"use client";

import { useMutation, useQuery } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";
import { useToast } from "@/app/_components/toast";
import type { Batch, NewBatch, NewTest, PolicyChoice, PromptsFitting } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { promptsOfHash, readPromptIds } from "./named-prompts";

export type BatchDraft = {
  name: string;
  task: Batch["task"];
  purpose: "work" | "practice" | "qualification";
  /** Of practice and tests: the batch whose tasks are copied; empty = new tasks. */
  sourceId: string;
  test: NewTest;
  chosenBy: "filter" | "ids";
  /** As typed. */
  promptIds: string;
  sources: NonNullable<Extract<NewBatch["prompts"], { by: "filter" }>["sources"]>;
  splits: NonNullable<Extract<NewBatch["prompts"], { by: "filter" }>["splits"]>;
  order: "priority" | "newest";
  count: number;
  includesUsed: boolean;
  includesSensitive: boolean;
  responsesFrom: NonNullable<NewBatch["responsesFrom"]>;
  policies: string[];
  k: number;
  temperature: number;
  maxTokens: number;
  overlap: number;
  /** Null: everybody who is qualified. */
  groupId: string | null;
  guidelinesVersion: number | null;
  priority: number;
  /** Which tasks go first; plain: in the order of their prompts. */
  first: "plain" | DoubtKind;
  /** Whose doubt decides; empty = none chosen. */
  doubtModelId: string;
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

type DoubtKind = NonNullable<Batch["doubtFirst"]>["by"];

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
    chosenBy: "filter",
    promptIds: "",
    sources: [],
    splits: [],
    order: "priority",
    count: purpose === "work" ? 100 : 10,
    includesUsed: false,
    includesSensitive: true,
    responsesFrom: "policies",
    policies: live ? [live.id] : [],
    k: 9,
    temperature: 1,
    maxTokens: 512,
    overlap: 1,
    groupId: null,
    guidelinesVersion: null,
    priority: 0,
    first: "plain",
    doubtModelId: "",
    deadline: "",
    hasRatings: true,
    repeatShare: 0,
    goldShare: 0,
    costPerHour: "",
    opensAtOnce: true,
  };
}

/** The prompts that the draft names or finds. */
export type Taken = {
  count: number;
  /** Null: not counted yet. */
  fitting: PromptsFitting | "named" | null;
  problem: string | null;
};

export function useNewBatch(start: Start) {
  const trpc = useTRPC();
  const router = useRouter();
  const toast = useToast();
  const [draft, setDraft] = useState(() => startOf(start));
  // Chosen in the list of prompts. The server does not see this part of the address, so its first page cannot show them.
  useEffect(() => {
    const promptIds = promptsOfHash(window.location.hash);
    if (promptIds !== "") setDraft((before) => ({ ...before, chosenBy: "ids", promptIds }));
  }, []);
  const { task, sources, splits, includesUsed, includesSensitive } = draft;
  const counted = useQuery(
    trpc.batches.countPrompts.queryOptions(
      {
        task,
        responsesFrom: responsesFrom(draft),
        filter: { sources, splits, includesUsed, includesSensitive },
      },
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
    taken: takenBy(draft, counted.data ?? null),
    error: making.error ?? counted.error,
    isBusy: making.isPending,
    submit: () => making.mutate(toBatch(draft)),
  };
}

function takenBy(draft: BatchDraft, counts: PromptsFitting | null): Taken {
  if (draft.chosenBy === "ids") {
    const { ids, problem } = readPromptIds(draft.promptIds);
    return { count: ids.length, fitting: "named", problem };
  }
  return { count: Math.min(draft.count || 0, counts?.usable ?? 0), fitting: counts, problem: null };
}

/** A demonstration has none, whatever was chosen before. */
const responsesFrom = ({ task, responsesFrom }: BatchDraft) =>
  task === "demonstration" ? "policies" : responsesFrom;

/** What the server takes; what does not apply to the task is left out. */
export function toBatch(draft: BatchDraft): NewBatch {
  const { chosenBy, promptIds, sources, splits, order, count, includesUsed, includesSensitive, ...others } =
    draft;
  const { sourceId, test, first, doubtModelId, ...rest } = others;
  const isWritten = draft.task === "demonstration";
  const isWork = draft.purpose === "work";
  const isCopied = !isWork && sourceId !== "";
  const isOwn = !isCopied && responsesFrom(draft) === "prompts";
  return {
    ...rest,
    test: draft.purpose === "qualification" ? test : null,
    prompts: isCopied
      ? { by: "batch", batchId: sourceId, count }
      : chosenBy === "ids"
        ? { by: "ids", promptIds: readPromptIds(promptIds).ids }
        : { by: "filter", sources, splits, order, count, includesUsed, includesSensitive },
    responsesFrom: isOwn ? "prompts" : "policies",
    policies: isWritten || isCopied || isOwn ? [] : draft.policies,
    doubtFirst: isWork && !isWritten && first !== "plain" ? { by: first, rewardModelId: doubtModelId } : null,
    hasRatings: draft.purpose === "qualification" || draft.hasRatings,
    k: draft.task === "ranking" && !isOwn ? draft.k : null,
    // The end of that day.
    deadline: draft.deadline === "" ? null : new Date(`${draft.deadline}T23:59:59`),
    repeatShare: isWork ? draft.repeatShare / 100 : 0,
    goldShare: isWork ? draft.goldShare / 100 : 0,
    costPerHour: draft.costPerHour === "" ? null : Number(draft.costPerHour),
  };
}
