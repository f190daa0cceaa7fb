/** @file One batch as its lead sees it: what it asks, how far it is, its tasks and its rankings. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/app/_components/button";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { Tabs } from "@/app/_components/tabs";
import { useToast } from "@/app/_components/toast";
import type { Batch, BatchDetail } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { purposeNames, statusNames, taskNames } from "../batch-names";
import { SamplingNotice } from "../sampling-notice";
import { BatchFacts } from "./batch-facts";
import { DoubtNotice } from "./doubt-notice";
import { RankingsList } from "./rankings-list";
import { TasksList } from "./tasks-list";

export function BatchView({ initialBatch }: { initialBatch: BatchDetail }) {
  const trpc = useTRPC();
  const { id: batchId } = initialBatch;
  const { data: batch, error } = useQuery(
    trpc.batches.get.queryOptions({ batchId }, { initialData: initialBatch, refetchInterval: 10_000 }),
  );
  return (
    <>
      <nav aria-label="Way back">
        <Link href="/admin/batches" className="text-small text-muted underline-offset-2 hover:underline">
          Batches
        </Link>
      </nav>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <div className="flex min-w-0 flex-wrap items-baseline gap-x-4 gap-y-1">
          <h1 className="min-w-0 text-title font-semibold break-words">{batch.name}</h1>
          <span role="status" className="text-small text-muted">
            {batch.purpose !== "work" && `${purposeNames[batch.purpose]}: `}
            {taskNames[batch.task]}, {statusNames[batch.status]}
          </span>
        </div>
        {batch.purpose !== "imported" && <BatchActs batch={batch} />}
      </div>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {isForLearning(batch) && (
          <Notice>
            {batch.task === "demonstration"
              ? "The demonstrations of a test: opened and closed with its rankings. "
              : "Each task needs a known answer before it is opened; set them among the tasks below. "}
            <Link href="/admin/qualification" className="text-accent underline underline-offset-2">
              Tests and sittings
            </Link>
          </Notice>
        )}
        {batch.retired.map(({ at, how, tasks, promotion }) => (
          <Notice key={promotion}>
            {plural(tasks, "task", "tasks")} that nobody had begun {tasks === 1 ? "was" : "were"}{" "}
            {how === "close" ? "closed" : "sampled anew from what is live"} after promotion {promotion},{" "}
            <Moment at={at} />: the responses were of policies that are not live any more.
          </Notice>
        ))}
        {batch.progress.tasks.sampling > 0 && (
          <SamplingNotice policies={batch.policies.map((policy) => policy.id)} />
        )}
        {(batch.doubtFirst?.waiting ?? 0) > 0 && <DoubtNotice modelId={batch.doubtFirst?.model.id ?? ""} />}
      </div>
      <BatchFacts batch={batch} />
      <div className="mt-8">
        <Tabs
          label="What is in the batch"
          tabs={[
            { id: "tasks", title: "Tasks", content: <TasksList batch={batch} /> },
            { id: "rankings", title: "Rankings", content: <RankingsList batchId={batchId} /> },
          ]}
        />
      </div>
    </>
  );
}

const isForLearning = ({ purpose }: Batch) => purpose === "practice" || purpose === "qualification";

type Steer = "open" | "pause" | "close";
const said: Record<Steer, string> = {
  open: "The batch is open: its tasks are given out.",
  pause: "Paused: nothing is given out. Who is at a task may finish it.",
  close: "Closed. It can be opened again.",
};

function BatchActs({ batch }: { batch: Batch }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const refresh = () => queries.invalidateQueries({ queryKey: trpc.batches.pathKey() });
  const onError = (error: unknown) => toast({ text: errorText(error), isError: true });
  const steering = useMutation(
    trpc.batches.steer.mutationOptions({
      onSuccess: (_, { steer }) => toast({ text: said[steer] }),
      onError,
      onSettled: refresh,
    }),
  );
  const prioritising = useMutation(trpc.batches.prioritise.mutationOptions({ onError, onSettled: refresh }));
  const isBusy = steering.isPending || prioritising.isPending;
  const steer = (act: Steer) => steering.mutate({ batchId: batch.id, steer: act });
  const prioritise = (by: number) =>
    prioritising.mutate({ batchId: batch.id, priority: Math.max(-100, Math.min(100, batch.priority + by)) });
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Button
        busy={isBusy}
        aria-label={`Lower the priority to ${batch.priority - 1}`}
        onClick={() => prioritise(-1)}
      >
        −
      </Button>
      <span className="text-small tabular">priority {batch.priority}</span>
      <Button
        busy={isBusy}
        aria-label={`Raise the priority to ${batch.priority + 1}`}
        onClick={() => prioritise(1)}
      >
        +
      </Button>
      {batch.status === "open" && (
        <Button busy={isBusy} onClick={() => steer("pause")}>
          Pause
        </Button>
      )}
      {batch.status !== "closed" && (
        <Button busy={isBusy} onClick={() => steer("close")}>
          Close
        </Button>
      )}
      {batch.status !== "open" && (
        <Button look="primary" busy={isBusy} onClick={() => steer("open")}>
          {batch.status === "preparing" ? "Open it to labelers" : "Open again"}
        </Button>
      )}
    </div>
  );
}
