/** @file The checkpoints a run has made: how good, how large, why kept; and what can be done with each. */
"use client";

import Link from "next/link";
import { useState } from "react";
import { IconButton } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { CopyButton } from "@/app/_components/copy-button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Menu, MenuItem } from "@/app/_components/menu";
import { Moment } from "@/app/_components/moment";
import type { RunCheckpoint, RunDetail } from "@/app/_lib/api-types";
import { formatBytes, formatMetric } from "@/app/_lib/format";
import { DownloadDialog } from "../../models/download-dialog";
import { KeepDialog } from "./keep-dialog";

type Act = { what: "download" | "keep"; checkpoint: RunCheckpoint };

export function CheckpointsTable({ run }: { run: RunDetail }) {
  const [act, setAct] = useState<Act | null>(null);
  const close = () => setAct(null);
  if (run.checkpoints.length === 0) {
    return <p className="text-muted">None yet. The first one comes with the first evaluation.</p>;
  }
  return (
    <>
      <DataTable
        caption="Checkpoints of this run"
        columns={columns(run.stage, setAct)}
        rows={run.checkpoints}
        rowKey={({ id }) => id}
      />
      {act?.what === "download" && <DownloadDialog checkpoint={act.checkpoint} onClose={close} />}
      {act?.what === "keep" && <KeepDialog checkpoint={act.checkpoint} onClose={close} />}
    </>
  );
}

function columns(stage: RunDetail["stage"], onAct: (act: Act) => void): Column<RunCheckpoint>[] {
  return [
    { title: "Step", isNumber: true, cell: ({ step }) => step.toLocaleString("en") },
    {
      title: stage === "ppo" ? "Held-out score" : "Validation loss",
      isNumber: true,
      cell: ({ validationLoss, heldOutScore, isBest }) => (
        <>
          {isBest && <span className="mr-2 text-small font-medium text-live">best</span>}
          {formatMetric(stage === "ppo" ? heldOutScore : validationLoss)}
        </>
      ),
    },
    ...(stage === "ppo"
      ? [
          {
            title: "KL (nats)",
            isNumber: true,
            cell: ({ heldOutKl }: RunCheckpoint) => formatMetric(heldOutKl),
          },
        ]
      : []),
    {
      title: "Id",
      cell: ({ id }) => (
        <span className="-my-1.5 inline-flex items-center">
          <code className="font-mono text-small">{id.slice(0, 12)}</code>
          <CopyButton text={id} label="Copy the whole id" />
        </span>
      ),
    },
    { title: "Size", isNumber: true, cell: ({ sizeBytes }) => formatBytes(sizeBytes) },
    {
      title: "Kept",
      cell: ({ keepReason, hasState, deletedAt }) =>
        deletedAt ? (
          <span className="text-muted">
            files deleted, <Moment at={deletedAt} withTime={false} />
          </span>
        ) : (
          <div className="min-w-28 text-small">
            {keepReason ? <p>for good: {keepReason}</p> : <p className="text-muted">as retention says</p>}
            {hasState && <p className="text-muted">the run can go on from it</p>}
          </div>
        ),
    },
    { title: "Saved", cell: ({ createdAt }) => <Moment at={createdAt} /> },
    {
      title: "Acts",
      isTitleHidden: true,
      cell: (checkpoint) =>
        checkpoint.deletedAt === null && (
          <div className="flex min-w-max justify-end gap-2">
            {stage === "reward" ? (
              <Link href={`/admin/reward-models/${checkpoint.id}`} className={buttonClass("plain", true)}>
                How far to trust it
              </Link>
            ) : (
              <>
                <Link href={`/temporary?checkpoint=${checkpoint.id}`} className={buttonClass("plain", true)}>
                  Chat with this
                </Link>
                <Link
                  href={`/admin/promotion?candidate=${checkpoint.id}`}
                  className={buttonClass("plain", true)}
                >
                  Promote…
                </Link>
              </>
            )}
            <Menu
              trigger={
                <IconButton icon="dots" label={`More about the checkpoint of step ${checkpoint.step}`} />
              }
            >
              <MenuItem icon="download" onSelect={() => onAct({ what: "download", checkpoint })}>
                Download
              </MenuItem>
              <MenuItem icon="pin" onSelect={() => onAct({ what: "keep", checkpoint })}>
                {checkpoint.keepReason ? "Leave it to retention…" : "Keep it…"}
              </MenuItem>
            </Menu>
          </div>
        ),
    },
  ];
}
