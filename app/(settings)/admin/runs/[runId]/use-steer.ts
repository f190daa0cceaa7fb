/** @file Pausing, resuming, cancelling: what a run's status allows, and the undo of what can be undone. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useToast } from "@/app/_components/toast";
import type { RunDetail, RunStatus } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

const pausable: readonly RunStatus[] = ["queued", "running"];
const resumable: readonly RunStatus[] = ["paused", "pausing", "failed"];
const cancellable: readonly RunStatus[] = ["queued", "running", "pausing", "paused"];

export type Steer = ReturnType<typeof useSteer>;

export function useSteer({ id: runId, number, status, obstacles }: RunDetail) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const refresh = () => queries.invalidateQueries({ queryKey: trpc.runs.pathKey() });
  const shared = {
    onSettled: refresh,
    onError: (error: unknown) => toast({ text: errorText(error), isError: true }),
  };
  const pausing = useMutation(
    trpc.runs.pause.mutationOptions({
      ...shared,
      onSuccess: ({ status: now }) =>
        toast({
          text: now === "pausing" ? `Run ${number} saves, then pauses.` : `Run ${number} is paused.`,
          undo: () => resuming.mutate({ runId }),
        }),
    }),
  );
  const resuming = useMutation(
    trpc.runs.resume.mutationOptions({
      ...shared,
      onSuccess: ({ status: now }) =>
        toast({ text: now === "queued" ? `Run ${number} waits for a worker.` : `Run ${number} goes on.` }),
    }),
  );
  const cancelling = useMutation(trpc.runs.cancel.mutationOptions(shared));
  const prioritising = useMutation(trpc.runs.prioritise.mutationOptions(shared));

  const canPause = pausable.includes(status);
  const canResume = resumable.includes(status);
  // Other obstacles rule a start out; the server says so in its own words.
  const hasErasedRows = obstacles.some(({ kind }) => kind === "erased");
  const resume = () => resuming.mutate({ runId, acceptErased: hasErasedRows });
  const pause = () => pausing.mutate({ runId });
  return {
    canPause,
    canResume,
    canCancel: cancellable.includes(status),
    canPrioritise: status === "queued" || status === "paused",
    isBusy: [pausing, resuming, cancelling].some(({ isPending }) => isPending),
    /** Resuming means training on what is left. */
    hasErasedRows,
    pause,
    resume,
    cancel: () => cancelling.mutate({ runId }),
    prioritise: (priority: number) => prioritising.mutate({ runId, priority }),
    /** By key: never past erased rows, which the button names. */
    toggle: () => {
      if (canPause) pause();
      else if (canResume && !hasErasedRows) resume();
    },
  };
}
