/** @file The list of reward models: accuracy beside the baseline, probes, warnings; two of them can be compared. */
"use client";

import Link from "next/link";
import { buttonClass } from "@/app/_components/button-class";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { CurrentRewardModel, RewardModelSummary } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { PageTitle } from "../../_frame/section";
import { describeFigure, describeProbes, describeUnscored } from "./describe-report";

type RewardModelsViewProps = { models: RewardModelSummary[]; current: CurrentRewardModel | null };

export function RewardModelsView({ models, current }: RewardModelsViewProps) {
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
          <InUse current={current} />
          <DataTable
            caption="Reward models"
            columns={columnsWith(current?.checkpointId ?? null)}
            rows={models}
            rowKey={({ id }) => id}
          />
        </div>
      )}
    </>
  );
}

function InUse({ current }: { current: CurrentRewardModel | null }) {
  if (!current) {
    return (
      <p className="mb-3 max-w-[46rem] text-small text-muted">
        None is in use. Open one to have it score new rankings before anything learns from them.
      </p>
    );
  }
  return current.problem ? (
    <Notice tone="warning" className="mb-3 max-w-[46rem]">
      {current.name} is in use and cannot score: {current.problem.text} New rankings are released unscored
      meanwhile.
    </Notice>
  ) : (
    <p className="mb-3 max-w-[46rem] text-small text-muted tabular">
      {current.name} is in use. {describeUnscored(current.unscored)}
    </p>
  );
}

const columnsWith = (currentId: string | null): Column<RewardModelSummary>[] => [
  {
    title: "Name",
    cell: ({ id, name }) => (
      <div className="min-w-40">
        <Link
          href={`/admin/reward-models/${id}`}
          className="font-medium underline decoration-line underline-offset-2"
        >
          {name} <code className="font-mono text-small font-normal text-muted">{id.slice(0, 8)}</code>
        </Link>
        {id === currentId && <span className="block text-small">in use</span>}
      </div>
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
