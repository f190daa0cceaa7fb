/** @file All regression cases with what the live policy and a candidate made of each, and the way to run them again. */
"use client";

import { useMutation, useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { Button } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { type Column, DataTable } from "@/app/_components/data-table";
import { SelectField } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { CaseList, ListedCase } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useMay } from "@/app/_lib/viewer-context";
import { PageTitle } from "../../_frame/section";
import { CaseOutcome, kindTexts, sourceTexts } from "./case-outcome";

type CasesViewProps = {
  initial: CaseList;
  query: { candidateId: string | null; isArchived: boolean };
};

export function CasesView({ initial, query }: CasesViewProps) {
  const trpc = useTRPC();
  const router = useRouter();
  const mayPin = useMay("models.manage");
  const { data, error } = useQuery(
    trpc.cases.list.queryOptions(query, { initialData: initial, refetchInterval: 15_000 }),
  );
  const { cases, candidate, choices, live } = data;
  const mayAsk = mayPin && cases.length > 0 && !query.isArchived;
  const addressOf = ({ candidateId, isArchived }: CasesViewProps["query"]) => {
    const parts = [candidateId && `candidate=${candidateId}`, isArchived && "archived"].filter(Boolean);
    return `/admin/cases?${parts.join("&")}`;
  };
  return (
    <>
      <PageTitle
        aside={
          mayPin && (
            <Link href="/admin/cases/new" className={buttonClass("primary")}>
              Write a case
            </Link>
          )
        }
      >
        Regression cases
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Conversations that every candidate answers again before it may go live. Pin one from the transcripts
        behind any figure, or write it.
      </p>
      {error && (
        <Notice tone="error" className="mt-3">
          {errorText(error)}
        </Notice>
      )}
      <div className="mt-4 flex flex-wrap items-end gap-x-4 gap-y-3">
        <div className="w-full max-w-xs">
          <SelectField
            label="Candidate"
            value={candidate?.id ?? ""}
            onChange={({ target }) => router.replace(addressOf({ ...query, candidateId: target.value }))}
          >
            {!candidate && <option value="">none</option>}
            {choices.map(({ id, name }) => (
              <option key={id} value={id}>
                {name} ({id.slice(0, 8)})
              </option>
            ))}
          </SelectField>
        </div>
        {mayAsk && candidate && <Rerun checkpointId={candidate.id} name={candidate.name} />}
        {mayAsk && live && cases.some((each) => each.live === null) && (
          <Rerun checkpointId={live.id} name={live.name} />
        )}
        <Link
          href={addressOf({ ...query, isArchived: !query.isArchived })}
          className="py-2 text-small text-muted underline-offset-2 hover:underline"
        >
          {query.isArchived ? "Show those in use" : "Show archived ones"}
        </Link>
      </div>
      <div className="mt-4">
        {cases.length === 0 ? (
          <p className="max-w-[38rem] text-muted">
            {query.isArchived
              ? "None is archived."
              : "None is pinned yet, so no gate asks for any. Each will stand here with what the live policy and the candidate answered."}
          </p>
        ) : (
          <DataTable caption="Regression cases" columns={columns} rows={cases} rowKey={({ id }) => id} />
        )}
      </div>
    </>
  );
}

/** An evaluation of the cases alone. */
function Rerun({ checkpointId, name }: { checkpointId: string; name: string }) {
  const trpc = useTRPC();
  const router = useRouter();
  const starting = useMutation(
    trpc.runs.create.mutationOptions({ onSuccess: ({ runId }) => router.push(`/admin/runs/${runId}`) }),
  );
  return (
    <div className="space-y-2">
      <Button
        busy={starting.isPending}
        onClick={() =>
          starting.mutate({
            name: `Cases on ${name}`.slice(0, 100),
            stage: "eval",
            baseCheckpointId: checkpointId,
            datasets: [],
            config: { suites: [], parityResponses: 0 },
          })
        }
      >
        Ask {name} all of them
      </Button>
      {starting.error && <Notice tone="error">{errorText(starting.error)}</Notice>}
    </div>
  );
}

const columns: Column<ListedCase>[] = [
  {
    title: "Case",
    cell: ({ id, number, title, kind, source, isWithdrawn }) => (
      <div className="min-w-44">
        <span className="text-muted tabular">{number}</span>{" "}
        {isWithdrawn ? (
          <span className="text-muted">{title}</span>
        ) : (
          <Link
            href={`/admin/cases/${id}`}
            className="wrap-anywhere font-medium underline-offset-2 hover:underline"
          >
            {title}
          </Link>
        )}
        <p className="text-small text-muted">
          {kindTexts[kind]}, {sourceTexts[source]}
        </p>
      </div>
    ),
  },
  { title: "Candidate", cell: ({ candidate }) => <CaseOutcome outcome={candidate} /> },
  { title: "Live", cell: ({ live }) => <CaseOutcome outcome={live} /> },
  {
    title: "Pinned",
    cell: ({ createdAt, createdBy }) => (
      <span className="text-small text-muted">
        <Moment at={createdAt} withTime={false} />
        {createdBy && `, ${createdBy}`}
      </span>
    ),
  },
];
