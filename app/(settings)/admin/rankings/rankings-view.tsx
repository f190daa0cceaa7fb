/** @file Rankings made elsewhere come in, those made here go out, and datasets are made of both. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Dialog } from "@/app/_components/dialog";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import { useToast } from "@/app/_components/toast";
import type { RankingsImport, RankingsLayout, RankingsWaiting } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatBytes, plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../_frame/section";
import { ExportLinks } from "./export-links";
import { ImportForm } from "./import-form";
import { SnapshotForm } from "./snapshot-form";

type RankingsViewProps = {
  initialImports: RankingsImport[];
  layouts: RankingsLayout[];
  initialWaiting: RankingsWaiting;
};

const isRunning = ({ status }: RankingsImport) => status === "reading" || status === "receiving";

export function RankingsView({ initialImports, layouts, initialWaiting }: RankingsViewProps) {
  const trpc = useTRPC();
  const toast = useToast();
  const queries = useQueryClient();
  const [isImporting, setIsImporting] = useState(false);
  const [takenBack, setTakenBack] = useState<RankingsImport | null>(null);
  const { data, error } = useQuery(
    trpc.exchange.imports.queryOptions(undefined, {
      initialData: initialImports,
      refetchInterval: ({ state }) => (state.data?.some(isRunning) ? 1_000 : 30_000),
    }),
  );
  const remove = useMutation(
    trpc.exchange.removeImport.mutationOptions({
      onSuccess: () => {
        toast({ text: `${takenBack?.name ?? "The import"} is taken back.` });
        setTakenBack(null);
      },
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.exchange.imports.queryKey() }),
    }),
  );
  return (
    <>
      <PageTitle
        aside={
          <Button look="primary" onClick={() => setIsImporting(true)}>
            Import rankings
          </Button>
        }
      >
        Rankings
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Rankings from elsewhere come in here, and those of your labelers go out, with pseudonyms for people.
      </p>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {data.length === 0 ? (
          <p className="text-muted">
            No import yet. Import a file of rankings or chosen and rejected pairs, or open a batch for
            labelers.
          </p>
        ) : (
          <DataTable
            caption="Imports"
            columns={columnsWith(setTakenBack)}
            rows={data}
            rowKey={({ id }) => id}
          />
        )}
      </div>
      <Section
        title="Make a dataset"
        text="What is here now, as rows that do not change: what a run learns from."
      >
        <SnapshotForm initialWaiting={initialWaiting} />
      </Section>
      <Section title="Export" text="All rankings of labelers and imports, but those of held-out groups.">
        <ExportLinks layouts={layouts} />
      </Section>
      <Dialog open={isImporting} onOpenChange={setIsImporting} title="Import rankings" wide>
        <ImportForm
          layouts={layouts}
          imports={data}
          onDone={(name) => {
            setIsImporting(false);
            toast({ text: `${name} is here and is being read.` });
          }}
        />
      </Dialog>
      {takenBack && (
        <Dialog
          open
          onOpenChange={(open) => !open && setTakenBack(null)}
          title={`Take ${takenBack.name} back?`}
          description="This cannot be undone; the file can be imported again."
        >
          <p>
            {plural(takenBack.counts.prompts ?? 0, "prompt goes", "prompts go")}, with{" "}
            {plural(takenBack.counts.rankings ?? 0, "ranking", "rankings")} of{" "}
            {plural(takenBack.counts.responses ?? 0, "response", "responses")}. Datasets made of them stay,
            and so do prompts that tasks of your own batches ask about.
          </p>
          {remove.error && (
            <Notice tone="error" className="mt-3">
              {errorText(remove.error)}
            </Notice>
          )}
          <Button
            look="danger"
            className="mt-4"
            busy={remove.isPending}
            onClick={() => remove.mutate({ importId: takenBack.id })}
          >
            Take it back
          </Button>
        </Dialog>
      )}
      <PageKeys keys={[{ key: "i", does: "Import rankings", act: () => setIsImporting(true) }]} />
    </>
  );
}

const numberColumn = (title: string, key: string): Column<RankingsImport> => ({
  title,
  isNumber: true,
  cell: ({ counts }) => (counts[key] ?? 0).toLocaleString("en"),
});

const columnsWith = (onRemove: (one: RankingsImport) => void): Column<RankingsImport>[] => [
  {
    title: "File",
    cell: (one) => (
      <div className="min-w-40">
        <span className="wrap-anywhere font-medium">{one.name}</span>
        <ImportState {...one} />
      </div>
    ),
  },
  numberColumn("Prompts", "prompts"),
  numberColumn("Responses", "responses"),
  numberColumn("Rankings", "rankings"),
  numberColumn("Pairs", "comparisons"),
  numberColumn("Ties", "ties"),
  {
    title: "By",
    cell: ({ createdBy, createdAt }) => (
      <span className="block min-w-24 text-small">
        {createdBy ?? "the command line"}, <Moment at={createdAt} withTime={false} />
      </span>
    ),
  },
  {
    title: "Action",
    isTitleHidden: true,
    cell: (one) =>
      one.status !== "reading" && (
        <Button small onClick={() => onRemove(one)} aria-label={`Take ${one.name} back`}>
          Take back
        </Button>
      ),
  },
];

function ImportState({ status, reason, readBytes, sizeBytes, counts, faults }: RankingsImport) {
  const unfit = counts.unfit ?? 0;
  return (
    <span className="block text-small text-muted">
      {status === "receiving" && "not all of it has arrived"}
      {status === "reading" && (
        <>
          <progress
            aria-label="Reading"
            max={Math.max(1, sizeBytes)}
            value={readBytes}
            className="block h-1.5 w-full"
          />
          {formatBytes(readBytes)} of {formatBytes(sizeBytes)} read
        </>
      )}
      {status === "failed" && <span className="text-danger">{reason}</span>}
      {unfit > 0 && (
        <details>
          <summary>{unfit.toLocaleString("en")} left out</summary>
          <ul>
            {faults.map(({ line, reason: fault }) => (
              <li key={line}>
                Line {line}: {fault}
              </li>
            ))}
          </ul>
        </details>
      )}
    </span>
  );
}
