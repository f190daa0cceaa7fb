/** @file Why a guard rail paused a run: its sentence, the curves it speaks of, and what can be done now. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { useId, useState } from "react";
import { Button } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { SelectField } from "@/app/_components/field";
import { useToast } from "@/app/_components/toast";
import type { RunDetail } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatMetric } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import type { Curves } from "../_charts/curve-data";
import { CancelDialog } from "./cancel-dialog";
import { GuardEvidence } from "./guard-evidence";
import type { Steer } from "./use-steer";

type GuardRailPanelProps = { run: RunDetail; rule: string; text: string; curves: Curves; steer: Steer };

export function GuardRailPanel({ run, rule, text, curves, steer }: GuardRailPanelProps) {
  const titleId = useId();
  const [isStopping, setIsStopping] = useState(false);
  return (
    <section
      aria-labelledby={titleId}
      className="mt-4 max-w-[46rem] space-y-3 rounded-md border border-people bg-sunken px-4 py-3"
    >
      <h2 id={titleId} className="font-medium">
        A guard rail paused this run after step {run.step}
      </h2>
      <p>{text}</p>
      <GuardEvidence rule={rule} curves={curves} />
      <div className="flex flex-wrap items-center gap-2">
        <Button look="primary" busy={steer.isBusy} onClick={steer.resume}>
          Go on and accept this
        </Button>
        <Button onClick={() => setIsStopping(true)}>Stop for good…</Button>
        <Link href={`/admin/runs/new?clone=${run.id}`} className={buttonClass()}>
          Start anew with other settings
        </Link>
      </div>
      <p className="text-small text-muted">
        Going on accepts it as it is now: the same guard rail speaks again when it gets a quarter worse.
      </p>
      <RollBack run={run} />
      {isStopping && <CancelDialog run={run} steer={steer} onClose={() => setIsStopping(false)} />}
    </section>
  );
}

/** Ends the run with an earlier checkpoint as its result. */
function RollBack({ run }: { run: RunDetail }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const kept = run.checkpoints.filter(({ deletedAt, step }) => deletedAt === null && step > 0);
  const [chosen, setChosen] = useState<string | null>(null);
  // Newest first: the last one is from where the guard rail spoke.
  const likely = kept.find(({ isBest }) => isBest) ?? kept[1] ?? kept[0];
  const checkpoint = kept.find(({ id }) => id === chosen) ?? likely;
  const ending = useMutation(
    trpc.runs.endWith.mutationOptions({
      onSuccess: () => toast({ text: `Run ${run.number} is finished with the checkpoint chosen.` }),
      onError: (error) => toast({ text: errorText(error), isError: true }),
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.runs.pathKey() }),
    }),
  );
  if (!checkpoint) return null;
  return (
    <div className="flex flex-wrap items-end gap-2 border-t border-line pt-3">
      <SelectField
        label="Or roll back to"
        value={checkpoint.id}
        onChange={({ target }) => setChosen(target.value)}
      >
        {kept.map(({ id, step, isBest, heldOutScore, heldOutKl }) => (
          <option key={id} value={id}>
            step {step}
            {heldOutScore !== null && `, held-out score ${formatMetric(heldOutScore)}`}
            {heldOutKl !== null && ` at ${formatMetric(heldOutKl)} nats`}
            {isBest && ", the best"}
          </option>
        ))}
      </SelectField>
      <Button
        busy={ending.isPending}
        onClick={() => ending.mutate({ runId: run.id, checkpointId: checkpoint.id })}
      >
        End the run with it
      </Button>
      <p className="basis-full text-small text-muted">
        The run is finished, and this checkpoint is its result. Later ones stay until retention removes them.
      </p>
    </div>
  );
}
