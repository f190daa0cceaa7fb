/** @file Measuring a reward model on this server's rankings: start, progress that outlives the page, failure with its reason. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { Outputs, RewardModelDetail } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatDuration } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

type Evaluation = Outputs["rewardModels"]["evaluation"];
type EvaluationBarProps = { model: RewardModelDetail; initial: Evaluation };

const pollMs = 1_000;

export function EvaluationBar({ model, initial }: EvaluationBarProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const key = { checkpointId: model.id };
  const { data: evaluation, dataUpdatedAt } = useQuery(
    trpc.rewardModels.evaluation.queryOptions(key, {
      initialData: initial,
      refetchInterval: ({ state }) => (state.data?.state === "running" ? pollMs : false),
    }),
  );
  const isRunning = evaluation?.state === "running";
  /** Measuring is under way, as far as this page knows: when it is not any more, its report is there. */
  const isWatched = useRef(isRunning);
  const reload = () => queries.invalidateQueries(trpc.rewardModels.evaluation.queryFilter(key));
  const start = useMutation(
    trpc.rewardModels.evaluate.mutationOptions({
      onSuccess: () => {
        isWatched.current = true;
      },
      onSettled: reload,
    }),
  );
  const cancel = useMutation(trpc.rewardModels.cancelEvaluation.mutationOptions({ onSettled: reload }));
  // A small model may be measured before the page has asked once: so at every answer, not only when it changes.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `dataUpdatedAt` stands for the answers
  useEffect(() => {
    if (isRunning) isWatched.current = true;
    else if (isWatched.current) {
      isWatched.current = false;
      void queries.invalidateQueries(trpc.rewardModels.get.queryFilter(key));
    }
  }, [isRunning, dataUpdatedAt]);
  const isMeasured = model.reports.some(({ origin }) => origin === "server");
  return (
    <div className="mt-4 max-w-[46rem] space-y-2">
      {isRunning ? (
        <div className="flex flex-wrap items-center gap-3">
          <Pulse>{describeProgress(evaluation)}</Pulse>
          <Button small busy={cancel.isPending} onClick={() => cancel.mutate(key)}>
            Stop measuring
          </Button>
        </div>
      ) : (
        <Button busy={start.isPending} onClick={() => start.mutate(key)}>
          {isMeasured ? "Measure again on this server’s rankings" : "Measure on this server’s rankings"}
        </Button>
      )}
      {!isRunning && model.reports.length === 0 && (
        <p className="text-small text-muted">
          It was never measured. Its scores of the newest ranked prompts that it was not trained on are
          compared with what people said; the held-out group’s work is kept apart.
        </p>
      )}
      {evaluation?.state === "failed" && (
        <Notice tone="error">It could not be measured. {evaluation.reason}</Notice>
      )}
      {start.error && <Notice tone="error">{errorText(start.error)}</Notice>}
    </div>
  );
}

function describeProgress({ progress: { done, total }, startedAt }: NonNullable<Evaluation>): string {
  const seconds = (Date.now() - startedAt.getTime()) / 1000;
  if (done === 0) return `Scoring ${total.toLocaleString("en")} prompts: loading the model…`;
  if (done >= total) return "Trying degenerate responses, then counting…";
  const left = formatDuration((seconds / done) * (total - done));
  return `Scored ${done.toLocaleString("en")} of ${total.toLocaleString("en")} prompts, about ${left} left. You can leave this page.`;
}
