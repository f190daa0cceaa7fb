/** @file One comparison: who against whom, how far the judging is, the win rates of these two from all their evaluations. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Notice } from "@/app/_components/notice";
import type { Evaluation } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { statusNames } from "../../batches/batch-names";
import { TaskBar } from "../../batches/task-bar";
import { WinRates } from "../win-rates";
import { AddJudge } from "./add-judge";

type EvaluationViewProps = { initial: Evaluation; canAddJudge: boolean; canSteer: boolean };

export function EvaluationView({ initial, canAddJudge, canSteer }: EvaluationViewProps) {
  const trpc = useTRPC();
  const { batchId } = initial;
  const { data, error } = useQuery(
    trpc.evaluations.get.queryOptions({ batchId }, { initialData: initial, refetchInterval: 10_000 }),
  );
  const { candidate, opponent, progress } = data;
  return (
    <>
      <nav aria-label="Way back">
        <Link href="/admin/evaluations" className="text-small text-muted underline-offset-2 hover:underline">
          Evaluations
        </Link>
      </nav>
      <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
        <h1 className="min-w-0 text-title font-semibold break-words">
          {candidate.name} vs {opponent.name}
        </h1>
        <span role="status" className="text-small text-muted">
          {statusNames[data.status]}
        </span>
      </div>
      <p className="mt-1 flex flex-wrap gap-x-5 text-small">
        <MeaningBadge meaning="candidate">{`candidate: ${candidate.name}`}</MeaningBadge>
        <MeaningBadge meaning="live">{`opponent: ${opponent.name}`}</MeaningBadge>
      </p>
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      <div className="mt-4 flex flex-wrap items-start gap-x-10 gap-y-3">
        <TaskBar tasks={progress.tasks} />
        <p className="max-w-[38rem] text-small text-muted">
          “{data.name}” asks {plural(data.overlap, "labeler", "labelers")} a prompt
          {data.group
            ? ` of ${data.group.name}${data.group.isHeldOut ? ", held out," : ""}`
            : " of everybody who is qualified"}
          : {plural(progress.rankings, "judgment", "judgments")} by{" "}
          {plural(progress.labelers, "labeler", "labelers")} so far,{" "}
          {plural(progress.openPlaces, "place", "places")} left.{" "}
          {canSteer && (
            <Link href={`/admin/batches/${batchId}`} className="text-accent underline underline-offset-2">
              Pause or close its batch
            </Link>
          )}
        </p>
      </div>
      <WinRates candidateId={candidate.id} opponentId={opponent.id} mayManage={canAddJudge} />
      {canAddJudge && data.status !== "closed" && <AddJudge batchId={batchId} />}
    </>
  );
}
