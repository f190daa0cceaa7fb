/** @file The list of runs: filtered, live, and two or more of them chosen to compare. */
"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { DataTable } from "@/app/_components/data-table";
import { SelectField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import type { RunPage, RunStatus } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";
import { runColumns } from "./run-columns";
import { type Stage, stageNames } from "./stage-names";
import { useRunChanges } from "./use-run-changes";

/** What the server compares at once. */
const mostCompared = 20;

const filters: Record<string, { title: string; statuses?: RunStatus[] }> = {
  all: { title: "all" },
  open: { title: "under way", statuses: ["queued", "running", "pausing", "cancelling"] },
  paused: { title: "paused", statuses: ["paused"] },
  finished: { title: "finished", statuses: ["finished"] },
  failed: { title: "failed or cancelled", statuses: ["failed", "cancelled"] },
};

export function RunsView({ firstPage }: { firstPage: RunPage }) {
  const trpc = useTRPC();
  const router = useRouter();
  const [filter, setFilter] = useState("all");
  const [stage, setStage] = useState<Stage | "">("");
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const statuses = filters[filter]?.statuses;
  const isUnfiltered = filter === "all" && stage === "";
  const list = useInfiniteQuery(
    trpc.runs.list.infiniteQueryOptions(
      { ...(statuses && { statuses }), ...(stage !== "" && { stage }) },
      {
        getNextPageParam: (page) => page.nextCursor,
        placeholderData: (previous) => previous,
        refetchInterval: 15_000,
        ...(isUnfiltered && { initialData: { pages: [firstPage], pageParams: [null] } }),
      },
    ),
  );
  useRunChanges();
  const runs = list.data?.pages.flatMap((page) => page.runs) ?? [];
  const counts = list.data?.pages[0]?.counts ?? firstPage.counts;
  const hasAny = Object.keys(counts).length > 0;
  const compareHref = `/admin/runs/compare?${chosen.map((id) => `run=${id}`).join("&")}`;
  const toggle = (id: string, isChosen: boolean) =>
    setChosen(isChosen ? [...chosen, id].slice(0, mostCompared) : chosen.filter((other) => other !== id));
  const openNew = () => router.push("/admin/runs/new");

  return (
    <>
      <PageTitle
        aside={
          <Link href="/admin/runs/new" className={buttonClass("primary")}>
            New run
          </Link>
        }
      >
        Runs
      </PageTitle>
      {!hasAny ? (
        <div className="mt-6 max-w-[38rem] space-y-3">
          <p className="text-muted">
            A run trains a checkpoint on a dataset, here or on another machine. It will be listed here with
            its progress, and can be watched, paused and gone on with.
          </p>
          <p>
            Upload demonstrations, choose a base, and start the first one with{" "}
            <Link href="/admin/runs/new" className="text-accent underline underline-offset-2">
              New run
            </Link>
            .
          </p>
        </div>
      ) : (
        <>
          <div className="mt-6 mb-3 flex flex-wrap items-end gap-3">
            <div className="w-44">
              <SelectField label="Status" value={filter} onChange={(event) => setFilter(event.target.value)}>
                {Object.entries(filters).map(([key, { title, statuses: counted }]) => (
                  <option key={key} value={key}>
                    {title} ({count(counts, counted)})
                  </option>
                ))}
              </SelectField>
            </div>
            <div className="w-44">
              <SelectField
                label="Stage"
                value={stage}
                onChange={(event) => setStage(event.target.value === "" ? "" : toStage(event.target.value))}
              >
                <option value="">all</option>
                {Object.entries(stageNames).map(([key, title]) => (
                  <option key={key} value={key}>
                    {title}
                  </option>
                ))}
              </SelectField>
            </div>
            <div className="flex grow items-center justify-end gap-3">
              {chosen.length < 2 ? (
                <p className="text-small text-muted">
                  {chosen.length === 1 ? "Choose one more to compare." : "Choose two or more to compare."}
                </p>
              ) : (
                <Link href={compareHref} className={buttonClass()}>
                  Compare {chosen.length} runs
                </Link>
              )}
            </div>
          </div>
          {list.error && <Notice tone="error">{errorText(list.error)}</Notice>}
          {runs.length === 0 ? (
            <p className="text-muted">No run is like that. Choose another status or stage.</p>
          ) : (
            <DataTable
              caption="Runs"
              columns={runColumns({ chosen, onToggle: toggle })}
              rows={runs}
              rowKey={({ id }) => id}
            />
          )}
          {list.hasNextPage && (
            <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              Show older
            </Button>
          )}
        </>
      )}
      <PageKeys
        keys={[
          { key: "n", does: "New run", act: openNew },
          {
            key: "c",
            does: "Compare the chosen runs",
            act: () => chosen.length > 1 && router.push(compareHref),
          },
        ]}
      />
    </>
  );
}

function toStage(value: string): Stage | "" {
  return (Object.keys(stageNames) as Stage[]).find((stage) => stage === value) ?? "";
}

function count(counts: RunPage["counts"], statuses?: RunStatus[]): number {
  return Object.entries(counts).reduce(
    (sum, [status, n]) => sum + (!statuses || statuses.some((one) => one === status) ? n : 0),
    0,
  );
}
