/** @file A task as labelers see it, and the lead's own order of its responses: an adjudication. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { Markdown } from "@/app/_components/markdown";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { TaskPreview } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { letterOf } from "@/app/_lib/letter-of";
import { useTRPC } from "@/app/_lib/trpc";
import { InfluenceSection } from "./influence-section";
import { PromptSections, RankField } from "./task-parts";
import { toTiers } from "./to-tiers";

export function PreviewDialog({ taskId, onClose }: { taskId: string; onClose: () => void }) {
  const trpc = useTRPC();
  const { data, error } = useQuery(trpc.batches.preview.queryOptions({ taskId }));
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title="The task"
      description="As labelers see it, though each in an order of their own."
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {data && <TaskBody key={taskId} task={data} onDone={onClose} />}
    </Dialog>
  );
}

function TaskBody({ task, onDone }: { task: TaskPreview; onDone: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const { responses } = task;
  const [ranks, setRanks] = useState<Record<string, number>>({});
  const adjudicating = useMutation(
    trpc.batches.adjudicate.mutationOptions({
      onSuccess: async () => {
        toast({ text: "Your ranking is kept beside the labelers' rankings." });
        await queries.invalidateQueries({ queryKey: trpc.batches.pathKey() });
        onDone();
      },
    }),
  );
  const tiers = toTiers(
    responses.map(({ id }) => id),
    ranks,
  );
  const canAdjudicate = responses.length > 1 && task.status !== "sampling";
  return (
    <div className="space-y-5">
      <PromptSections messages={task.prompt.messages} />
      {responses.length === 0 && <p className="text-small text-muted">No response yet.</p>}
      {responses.map(({ id, text }, index) => (
        <section key={id} className="border-t border-line pt-3">
          <div className="flex items-end justify-between gap-3">
            <h3 className="font-medium">{letterOf(index)}</h3>
            {canAdjudicate && (
              <RankField
                letter={letterOf(index)}
                rank={ranks[id]}
                count={responses.length}
                onChange={(rank) => setRanks({ ...ranks, [id]: rank })}
              />
            )}
          </div>
          <div className="mt-2 break-words">
            <Markdown text={text} />
          </div>
        </section>
      ))}
      <InfluenceSection taskId={task.taskId} />
      {adjudicating.error && <Notice tone="error">{errorText(adjudicating.error)}</Notice>}
      {canAdjudicate && (
        <div className="space-y-1">
          <Button
            look="primary"
            busy={adjudicating.isPending}
            disabled={tiers === null}
            onClick={() => tiers && adjudicating.mutate({ taskId: task.taskId, tiers })}
          >
            Adjudicate
          </Button>
          <p className="text-small text-muted">
            Give every response a rank; equal ranks are ties. It replaces nobody's ranking.
          </p>
        </div>
      )}
    </div>
  );
}
