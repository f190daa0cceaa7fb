/** @file The list of reward models: accuracy beside the baseline, probes, warnings; two of them can be compared. */
"use client";

import Link from "next/link";
import { buttonClass } from "@/app/_components/button-class";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import type { RewardModelSummary } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { PageTitle } from "../../_frame/section";
import { describeFigure, describeProbes } from "./describe-report";

export function RewardModelsView({ models }: { models: RewardModelSummary[] }) {
  return (
    <>
      <PageTitle>Reward models</PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        A reward model scores responses as people would rank them. PPO writes whatever scores well, so look
        here before anything is optimised against one.
      </p>
      {models.length === 0 ? (
        <div className="mt-10 max-w-[38rem]">
          <p>
            There is no reward model yet. It is trained from rankings: make a dataset of them, then start a
            run.
          </p>
          <Link href="/admin/runs/new" className={`mt-3 ${buttonClass("plain")}`}>
            Start a run
          </Link>
        </div>
      ) : (
        <div className="mt-6">
          <DataTable caption="Reward models" columns={columns} rows={models} rowKey={({ id }) => id} />
        </div>
      )}
    </>
  );
}

const columns: Column<RewardModelSummary>[] = [
  {
    title: "Name",
    cell: ({ id, name }) => (
      <Link
        href={`/admin/reward-models/${id}`}
        className="block min-w-40 font-medium underline decoration-line underline-offset-2"
      >
        {name} <code className="font-mono text-small font-normal text-muted">{id.slice(0, 8)}</code>
      </Link>
    ),
  },
  {
    title: "Made by",
    cell: ({ run }) =>
      run ? (
        <Link href={`/admin/runs/${run.id}`} className="underline decoration-line underline-offset-2">
          run {run.number}, step {run.step.toLocaleString("en")}
          {run.isBest && " (best)"}
        </Link>
      ) : (
        <span className="text-muted">imported</span>
      ),
  },
  {
    title: "Accuracy",
    isNumber: true,
    cell: ({ measured }) => (measured ? describeFigure(measured.accuracy) : "not measured"),
  },
  {
    title: "“The longer wins”",
    isNumber: true,
    cell: ({ measured }) => (measured ? describeFigure(measured.longerWins) : "–"),
  },
  { title: "Probes", cell: ({ measured }) => describeProbes(measured?.passesProbes ?? null) },
  {
    title: "Warnings",
    cell: ({ measured }) =>
      measured === null
        ? "–"
        : measured.warnings.length === 0
          ? "none"
          : plural(measured.warnings.length, "warning", "warnings"),
  },
  {
    title: "Measured",
    cell: ({ measured }) => (measured ? <Moment at={measured.at} withTime={false} /> : "–"),
  },
];
