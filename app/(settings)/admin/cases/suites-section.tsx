/** @file The suites that evaluations can measure: those that ship, and folders that were uploaded. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { inputClass } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { ListedSuite } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useMay } from "@/app/_lib/viewer-context";
import { Section } from "../../_frame/section";
import { sendSuite } from "./send-suite";

export function SuitesSection({ initial }: { initial: ListedSuite[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const mayManage = useMay("models.manage");
  const { data } = useQuery(trpc.suites.list.queryOptions(undefined, { initialData: initial }));
  const refresh = () => queries.invalidateQueries({ queryKey: trpc.suites.list.queryKey() });
  const deleting = useMutation(
    trpc.suites.delete.mutationOptions({
      onSuccess: () => toast({ text: "The suite is deleted." }),
      onSettled: refresh,
    }),
  );
  return (
    <Section
      title="Suites"
      text="What an evaluation can measure. A suite of your own is a folder with suite.json and items.jsonl; docs/suites.md describes both."
    >
      <DataTable
        caption="Suites"
        columns={columnsOf(mayManage ? (suiteId) => deleting.mutate({ suiteId }) : null, deleting.isPending)}
        rows={data}
        rowKey={({ name, upload }) => upload?.id ?? name}
      />
      {deleting.error && (
        <Notice tone="error" className="mt-3">
          {errorText(deleting.error)}
        </Notice>
      )}
      {mayManage && <UploadForm onDone={refresh} />}
    </Section>
  );
}

function columnsOf(onDelete: ((suiteId: string) => void) | null, isBusy: boolean): Column<ListedSuite>[] {
  return [
    {
      title: "Suite",
      cell: ({ name, title, upload }) => (
        <div className="min-w-36">
          <span className="font-medium">{title}</span>
          <p className="text-small text-muted">
            <code className="font-mono">{name}</code>
            {upload && !upload.isNewest && ", older: a new evaluation measures the newer one"}
          </p>
        </div>
      ),
    },
    { title: "Scored by", cell: ({ metric }) => metric },
    { title: "Items", isNumber: true, cell: ({ itemCount }) => itemCount.toLocaleString("en") },
    {
      title: "From",
      cell: ({ upload }) =>
        upload ? (
          <span className="text-small text-muted">
            <Moment at={upload.createdAt} withTime={false} />
            {upload.createdBy && `, ${upload.createdBy}`}
          </span>
        ) : (
          <span className="text-small text-muted">ships with Attune</span>
        ),
    },
    ...(onDelete
      ? [
          {
            title: "Delete",
            isTitleHidden: true,
            cell: ({ title, upload }: ListedSuite) => {
              if (!upload) return null;
              if (upload.runs.length > 0)
                return (
                  <span className="text-small text-muted">
                    measured by {upload.runs.length === 1 ? "run" : "runs"}{" "}
                    {upload.runs.slice(0, 3).join(", ")}
                    {upload.runs.length > 3 && ` and ${upload.runs.length - 3} more`}
                  </span>
                );
              return (
                <Button
                  small
                  disabled={isBusy}
                  aria-label={`Delete ${title}`}
                  onClick={() => onDelete(upload.id)}
                >
                  Delete
                </Button>
              );
            },
          },
        ]
      : []),
  ];
}

function UploadForm({ onDone }: { onDone: () => Promise<void> }) {
  const toast = useToast();
  const input = useRef<HTMLInputElement>(null);
  const [files, setFiles] = useState<File[]>([]);
  const sending = useMutation({
    mutationFn: sendSuite,
    onSuccess: async ({ name }) => {
      toast({ text: `${name} is here. New run, stage Evaluation, measures it.` });
      setFiles([]);
      if (input.current) input.current.value = "";
      await onDone();
    },
  });
  return (
    <form
      className="mt-5 max-w-[38rem] space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        sending.mutate(files);
      }}
    >
      <label className="block space-y-1">
        <span className="block font-medium">Upload a suite</span>
        <input
          ref={input}
          type="file"
          multiple
          accept=".zip,.tar,.gz,.tgz,.json,.jsonl"
          className={inputClass}
          onChange={({ target }) => setFiles([...(target.files ?? [])])}
        />
        <span className="block text-small text-muted">
          Both files, or the folder as .zip, .tar or .tar.gz, up to 32 MB.
        </span>
      </label>
      {sending.error && (
        <Notice tone="error">
          <p className="whitespace-pre-wrap wrap-anywhere">{errorText(sending.error)}</p>
        </Notice>
      )}
      <Button type="submit" busy={sending.isPending} disabled={files.length === 0}>
        Upload
      </Button>
    </form>
  );
}
