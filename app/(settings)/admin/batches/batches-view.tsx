/** @file The list of batches: what each asks, how far it is, when it will be done. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { buttonClass } from "@/app/_components/button-class";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import type { Batch } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";
import { statusNames, taskNames } from "./batch-names";
import { SamplingNotice } from "./sampling-notice";
import { TaskBar } from "./task-bar";

export function BatchesView({ initialBatches }: { initialBatches: Batch[] }) {
  const trpc = useTRPC();
  const router = useRouter();
  const { data, error } = useQuery(
    trpc.batches.list.queryOptions(undefined, { initialData: initialBatches, refetchInterval: 15_000 }),
  );
  return (
    <>
      <PageTitle
        aside={
          <Link href="/admin/batches/new" className={buttonClass("primary")}>
            New batch
          </Link>
        }
      >
        Batches
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Work for labelers comes in batches: prompts, the policies that answer them, and the people who rank
        the answers. Higher priority is given out and sampled first.
      </p>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        <SamplingNotice />
        {data.length === 0 ? (
          <p className="max-w-[38rem] text-muted">
            There is none yet. The first batch will be listed here with its progress, its speed and what a
            comparison costs. Make it with{" "}
            <Link href="/admin/batches/new" className="text-accent underline underline-offset-2">
              New batch
            </Link>
            .
          </p>
        ) : (
          <DataTable caption="Batches" columns={columns} rows={data} rowKey={({ id }) => id} />
        )}
      </div>
      <PageKeys keys={[{ key: "n", does: "New batch", act: () => router.push("/admin/batches/new") }]} />
    </>
  );
}

const columns: Column<Batch>[] = [
  {
    title: "Batch",
    cell: ({ id, name, policies, group }) => (
      <div className="min-w-36">
        <Link
          href={`/admin/batches/${id}`}
          className="wrap-anywhere font-medium underline-offset-2 hover:underline"
        >
          {name}
        </Link>
        <p className="text-small text-muted">
          {[...policies.map((policy) => policy.name), group?.name].filter(Boolean).join(", ")}
        </p>
      </div>
    ),
  },
  {
    title: "Task",
    cell: ({ task, k, purpose }) => (
      <span className="whitespace-nowrap">
        {taskNames[task]}
        {task === "ranking" && k > 0 && ` of ${k}`}
        {purpose !== "work" && <span className="block text-small text-muted">{purpose}</span>}
      </span>
    ),
  },
  {
    title: "Status",
    cell: ({ status, priority }) => (
      <span className="whitespace-nowrap">
        {statusNames[status]}
        {priority !== 0 && <span className="block text-small text-muted">priority {priority}</span>}
      </span>
    ),
  },
  { title: "Tasks", cell: ({ progress }) => <TaskBar tasks={progress.tasks} /> },
  {
    title: "Comparisons",
    isNumber: true,
    cell: ({ progress: { comparisons, ties } }) => (
      <>
        {comparisons.toLocaleString("en")}
        {ties > 0 && <span className="block text-small text-muted">{ties.toLocaleString("en")} ties</span>}
      </>
    ),
  },
  {
    title: "Rankings a day",
    isNumber: true,
    cell: ({ purpose, progress: { perHour } }) =>
      purpose === "imported" ? "–" : Math.round(perHour.day * 24).toLocaleString("en"),
  },
  {
    title: "Done by",
    cell: ({ progress: { projectedEnd }, deadline, status, purpose }) => (
      <span className="text-small whitespace-nowrap">
        {status === "open" && (purpose === "work" || purpose === "evaluation") && projectedEnd ? (
          <Moment at={projectedEnd} withTime={false} />
        ) : (
          "–"
        )}
        {deadline && (
          <span
            className={projectedEnd && projectedEnd > deadline ? "block text-danger" : "block text-muted"}
          >
            due <Moment at={deadline} withTime={false} />
          </span>
        )}
      </span>
    ),
  },
];
