/** @file The list of evaluations with their progress, and the strengths of all policies that were ever compared. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { buttonClass } from "@/app/_components/button-class";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { Evaluation, RankedPolicy } from "@/app/_lib/api-types";
import { describeShare } from "@/app/_lib/describe-share";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../_frame/section";
import { statusNames } from "../batches/batch-names";
import { TaskBar } from "../batches/task-bar";

export function EvaluationsView({ initial, canCreate }: { initial: Evaluation[]; canCreate: boolean }) {
  const trpc = useTRPC();
  const { data, error } = useQuery(
    trpc.evaluations.list.queryOptions(undefined, { initialData: initial, refetchInterval: 15_000 }),
  );
  return (
    <>
      <PageTitle
        aside={
          canCreate && (
            <Link href="/admin/evaluations/new" className={buttonClass("primary")}>
              Compare two policies
            </Link>
          )
        }
      >
        Evaluations
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Two policies answer the same prompts of held-out users. Labelers judge blind which answer is better,
        reward models that trained neither judge too. Nothing is trained on what they say.
      </p>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {data.length === 0 ? (
          <p className="max-w-[38rem] text-muted">
            There is none yet. Each will be listed here with how far its judging is, and opens to the win rate
            with the texts behind it.
            {canCreate && " Begin with Compare two policies."}
          </p>
        ) : (
          <DataTable caption="Evaluations" columns={columns} rows={data} rowKey={({ batchId }) => batchId} />
        )}
      </div>
      {data.length > 0 && <Strengths />}
    </>
  );
}

const columns: Column<Evaluation>[] = [
  {
    title: "Candidate and opponent",
    cell: ({ batchId, candidate, opponent, name, group }) => (
      <div className="min-w-36">
        <Link
          href={`/admin/evaluations/${batchId}`}
          className="wrap-anywhere font-medium underline-offset-2 hover:underline"
        >
          {candidate.name} vs {opponent.name}
        </Link>
        <p className="text-small text-muted">{[name, group?.name].filter(Boolean).join(", ")}</p>
      </div>
    ),
  },
  { title: "Status", cell: ({ status }) => statusNames[status] },
  { title: "Prompts", cell: ({ progress }) => <TaskBar tasks={progress.tasks} /> },
  { title: "Judgments", isNumber: true, cell: ({ progress }) => progress.rankings.toLocaleString("en") },
  { title: "Labelers", isNumber: true, cell: ({ progress }) => progress.labelers },
  { title: "Made", cell: ({ createdAt }) => <Moment at={createdAt} withTime={false} /> },
];

function Strengths() {
  const trpc = useTRPC();
  const { data, error } = useQuery(trpc.evaluations.strengths.queryOptions({ judge: { kind: "labelers" } }));
  const reference = data?.find(({ isReference }) => isReference)?.policy.name;
  return (
    <Section
      title="All policies"
      text="Bradley-Terry strengths from every judgment by labelers: a policy that was never compared with another is placed through those that both were compared with. Intervals are over prompts, at one look."
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>Fitting strengths…</Pulse>}
      {data?.length === 0 && <p className="text-muted">No labeler has judged yet.</p>}
      {data && data.length > 0 && (
        <DataTable
          caption="Strengths of policies"
          columns={strengthColumns(reference)}
          rows={data}
          rowKey={({ policy }) => policy.id}
        />
      )}
    </Section>
  );
}

const strengthColumns = (reference: string | undefined): Column<RankedPolicy>[] => [
  {
    title: "Policy",
    cell: ({ policy, isReference }) => (
      <>
        {policy.name}
        {isReference && <span className="text-small text-muted"> (compared with)</span>}
      </>
    ),
  },
  {
    title: `Preferred to ${reference ?? "the reference"}`,
    isNumber: true,
    cell: ({ againstReference, isReference }) =>
      isReference
        ? "–"
        : againstReference
          ? describeShare({
              share: againstReference.estimate,
              low: againstReference.interval?.low ?? null,
              high: againstReference.interval?.high ?? null,
            })
          : "no comparison joins them",
  },
  {
    title: "Strength, log-odds",
    isNumber: true,
    cell: ({ strength }) => strength.toFixed(2).replace("-", "−"),
  },
  { title: "Judgments", isNumber: true, cell: ({ judgments }) => judgments.toLocaleString("en") },
];
