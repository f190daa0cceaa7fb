/** @file One dataset: what it is, whether its rows still fit their hashes, the rows themselves, and deleting it. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { CopyButton } from "@/app/_components/copy-button";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { Dataset } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatBytes, plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../../_frame/section";
import { kindNames } from "../kind-names";
import { DatasetRows } from "./dataset-rows";
import { DeleteDialog } from "./delete-dialog";

export function DatasetView({ initialDataset }: { initialDataset: Dataset }) {
  const trpc = useTRPC();
  const [isDeleting, setIsDeleting] = useState(false);
  const key = { datasetId: initialDataset.id };
  const { data: dataset } = useQuery(trpc.datasets.get.queryOptions(key, { initialData: initialDataset }));
  const check = useQuery(trpc.datasets.verify.queryOptions(key, { enabled: false }));
  const { name, kind, rowCount, erasedRows, skippedLines, sizeBytes, sha256, runs, deletedAt, sealedAt } =
    dataset;

  return (
    <>
      <nav aria-label="Way back">
        <Link href="/admin/datasets" className="text-small text-muted underline-offset-2 hover:underline">
          Datasets
        </Link>
      </nav>
      <PageTitle
        aside={
          deletedAt === null && (
            <div className="flex gap-2">
              {sealedAt && (
                <Button busy={check.isFetching} onClick={() => void check.refetch()}>
                  Verify
                </Button>
              )}
              <Button look="danger" onClick={() => setIsDeleting(true)}>
                Delete…
              </Button>
            </div>
          )
        }
      >
        {name}
      </PageTitle>
      <p className="mt-1 text-muted">
        {kindNames[kind]}, {plural(rowCount, "row", "rows")}, {formatBytes(sizeBytes)}; made by{" "}
        {dataset.createdBy?.name ?? "the system"}, <Moment at={dataset.createdAt} />
      </p>
      {dataset.description && <p className="mt-2 max-w-[38rem]">{dataset.description}</p>}
      {sha256 && (
        <p className="mt-2 flex flex-wrap items-center gap-x-2 text-small text-muted">
          Hash <code className="min-w-0 font-mono break-all">{sha256}</code>
          <CopyButton text={sha256} label="Copy the hash" />
        </p>
      )}
      <div className="mt-3 max-w-[46rem] space-y-2">
        {deletedAt && (
          <Notice tone="warning">
            Deleted, <Moment at={deletedAt} />: all rows are erased, the hashes stay, so that what was made
            from it can still be explained.
          </Notice>
        )}
        {!deletedAt && erasedRows > 0 && (
          <Notice tone="warning">
            {plural(erasedRows, "row", "rows")} of {rowCount.toLocaleString("en")} were erased with the data
            of the people whose words they held. Runs that learned from them cannot be made again exactly.
          </Notice>
        )}
        {!sealedAt && (
          <Notice>It is still being uploaded. An upload nobody goes on with is removed after a week.</Notice>
        )}
        {skippedLines > 0 && (
          <Notice>{plural(skippedLines, "line was", "lines were")} left out when it was uploaded.</Notice>
        )}
        <div role="status">
          {check.data && (
            <Notice tone={check.data.ok ? "info" : "error"}>
              {check.data.ok
                ? `It is what it was: every row fits its hash${check.data.erasedRows > 0 ? ", but for the erased ones" : ""}, and the hashes fit the dataset's.`
                : "It is not what it was: a row or the list of hashes was changed. Compare with a backup; do not train on it."}
            </Notice>
          )}
          {check.error && <Notice tone="error">{errorText(check.error)}</Notice>}
        </div>
      </div>
      <Section title="Runs">
        {runs.length === 0 ? (
          <p className="text-muted">
            No run has learned from it.{" "}
            {deletedAt === null && (
              <Link
                href={`/admin/runs/new?dataset=${dataset.id}`}
                className="text-accent underline underline-offset-2"
              >
                Start one
              </Link>
            )}
          </p>
        ) : (
          <p className="flex flex-wrap gap-x-3">
            {runs.map(({ id, number }) => (
              <Link
                key={id}
                href={`/admin/runs/${id}`}
                className="underline decoration-line underline-offset-2"
              >
                Run {number}
              </Link>
            ))}
          </p>
        )}
      </Section>
      <Section title="Rows">
        <DatasetRows datasetId={dataset.id} />
      </Section>
      {isDeleting && <DeleteDialog dataset={dataset} onClose={() => setIsDeleting(false)} />}
    </>
  );
}
