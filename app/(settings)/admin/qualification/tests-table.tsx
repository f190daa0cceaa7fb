/** @file Practice sets and tests: how far their making is, what passes, opening and closing them. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { useToast } from "@/app/_components/toast";
import type { QualificationTest } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { percentOf, ratingOf } from "../../label/qualification/criteria-table";
import { purposeNames, statusNames } from "../batches/batch-names";
import { TestDialog } from "./test-dialog";

export function TestsTable({ tests }: { tests: QualificationTest[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [changing, setChanging] = useState<QualificationTest | null>(null);
  const steering = useMutation(
    trpc.batches.steer.mutationOptions({
      onSuccess: (_, { steer }) =>
        toast({ text: steer === "open" ? "It is open to labelers." : "It is closed." }),
      onError: (error) => toast({ text: errorText(error), isError: true }),
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.qualification.pathKey() }),
    }),
  );
  if (tests.length === 0) {
    return (
      <p className="max-w-[38rem] text-muted">
        There is none yet. Make practice first, then a test: copy tasks that an expert has ranked, or sample
        new responses, and set what each is to be answered.
      </p>
    );
  }
  const columns: Column<QualificationTest>[] = [
    {
      title: "Name",
      cell: ({ batchId, name, purpose, problem, status }) => (
        <div className="min-w-40">
          <Link href={`/admin/batches/${batchId}`} className="font-medium underline-offset-2 hover:underline">
            {name}
          </Link>
          <p className="text-small text-muted">
            {purposeNames[purpose]}, {statusNames[status]}
          </p>
          {problem && status !== "closed" && <p className="max-w-72 text-small text-people">{problem}</p>}
        </div>
      ),
    },
    {
      title: "Tasks",
      cell: ({ readiness, demonstrations, demonstrationBatchId }) => (
        <>
          {readiness.tasks}, {plural(readiness.pairs, "pair", "pairs")}
          {demonstrationBatchId && (
            <p className="text-small">
              <Link href={`/admin/batches/${demonstrationBatchId}`} className="underline underline-offset-2">
                {plural(demonstrations, "demonstration", "demonstrations")}
              </Link>
            </p>
          )}
        </>
      ),
    },
    {
      title: "Cut-offs",
      cell: ({ test }) =>
        test === null ? (
          "–"
        ) : (
          <span className="text-small whitespace-nowrap">
            flags {percentOf(test.flagCutoff)}, rankings {percentOf(test.rankingCutoff)}
            <span className="block">demonstrations {ratingOf(test.ratingCutoff)}</span>
          </span>
        ),
    },
    {
      title: "Passed",
      isNumber: true,
      cell: ({ purpose, passed, sittings }) => (purpose === "practice" ? "–" : `${passed} of ${sittings}`),
    },
    {
      title: "Action",
      isTitleHidden: true,
      cell: (row) => (
        <div className="flex flex-wrap gap-2">
          {row.test && (
            <Button small aria-label={`Settings of ${row.name}`} onClick={() => setChanging(row)}>
              Settings
            </Button>
          )}
          <Button
            small
            busy={steering.isPending}
            disabled={row.status !== "open" && row.problem !== null}
            aria-label={`${row.status === "open" ? "Close" : "Open"} ${row.name}`}
            onClick={() =>
              steering.mutate({ batchId: row.batchId, steer: row.status === "open" ? "close" : "open" })
            }
          >
            {row.status === "open" ? "Close" : "Open"}
          </Button>
        </div>
      ),
    },
  ];
  return (
    <>
      <DataTable
        caption="Practice and tests"
        columns={columns}
        rows={tests}
        rowKey={({ batchId }) => batchId}
      />
      {changing?.test && (
        <TestDialog test={changing} initialSettings={changing.test} onClose={() => setChanging(null)} />
      )}
    </>
  );
}
