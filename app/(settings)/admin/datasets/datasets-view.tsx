/** @file The datasets that runs learn from: what each holds, what was erased of it, which runs use it; and uploading another. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Dialog } from "@/app/_components/dialog";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import { useToast } from "@/app/_components/toast";
import type { Dataset } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatBytes, plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";
import type { SkippedLine } from "./_upload/upload-files";
import { UploadForm } from "./_upload/upload-form";
import { kindNames } from "./kind-names";
import { SkippedNotice } from "./skipped-notice";

export function DatasetsView({ initialDatasets }: { initialDatasets: Dataset[] }) {
  const trpc = useTRPC();
  const toast = useToast();
  const [isUploading, setIsUploading] = useState(false);
  const [done, setDone] = useState<{ dataset: Dataset; skipped: SkippedLine[] } | null>(null);
  const { data, error } = useQuery(
    trpc.datasets.list.queryOptions(undefined, { initialData: initialDatasets, refetchInterval: 30_000 }),
  );
  return (
    <>
      <PageTitle
        aside={
          <Button look="primary" onClick={() => setIsUploading(true)}>
            Upload a dataset
          </Button>
        }
      >
        Datasets
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        A dataset does not change once it is here: runs name it by the hash of its rows. Rows of people who
        leave are erased, and the hash still holds.
      </p>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {done && <SkippedNotice skippedLines={done.dataset.skippedLines} skipped={done.skipped} />}
        {data.length === 0 ? (
          <p className="text-muted">
            There is none yet. Upload a JSONL file of demonstrations, and the first SFT run can begin.
          </p>
        ) : (
          <DataTable caption="Datasets" columns={columns} rows={data} rowKey={({ id }) => id} />
        )}
      </div>
      <Dialog open={isUploading} onOpenChange={setIsUploading} title="Upload a dataset" wide>
        <UploadForm
          onDone={(dataset, skipped) => {
            setIsUploading(false);
            setDone({ dataset, skipped });
            toast({ text: `“${dataset.name}” is here: ${plural(dataset.rowCount, "row", "rows")}.` });
          }}
        />
      </Dialog>
      <PageKeys keys={[{ key: "u", does: "Upload a dataset", act: () => setIsUploading(true) }]} />
    </>
  );
}

const columns: Column<Dataset>[] = [
  {
    title: "Name",
    cell: ({ id, name, deletedAt, sealedAt }) => (
      <div className="min-w-36">
        <Link href={`/admin/datasets/${id}`} className="font-medium underline-offset-2 hover:underline">
          {name}
        </Link>
        {deletedAt && <span className="block text-small text-muted">deleted</span>}
        {!sealedAt && <span className="block text-small text-people">being uploaded</span>}
      </div>
    ),
  },
  { title: "Kind", cell: ({ kind }) => kindNames[kind] },
  {
    title: "Rows",
    isNumber: true,
    cell: ({ rowCount, erasedRows }) => (
      <>
        {rowCount.toLocaleString("en")}
        {erasedRows > 0 && (
          <span className="block text-small text-people">{erasedRows.toLocaleString("en")} erased</span>
        )}
      </>
    ),
  },
  { title: "Size", isNumber: true, cell: ({ sizeBytes }) => formatBytes(sizeBytes) },
  {
    title: "Hash",
    cell: ({ sha256 }) => <code className="font-mono text-small">{sha256?.slice(0, 12) ?? "–"}</code>,
  },
  {
    title: "Runs",
    cell: ({ runs }) =>
      runs.length === 0
        ? "–"
        : runs.slice(0, 5).map(({ id, number }, i) => (
            <span key={id}>
              {i > 0 && ", "}
              <Link href={`/admin/runs/${id}`} className="underline decoration-line underline-offset-2">
                {number}
              </Link>
            </span>
          )),
  },
  {
    title: "Made by",
    cell: ({ createdBy, createdAt }) => (
      <span className="text-small">
        {createdBy?.name ?? "the system"}, <Moment at={createdAt} withTime={false} />
      </span>
    ),
  },
];
