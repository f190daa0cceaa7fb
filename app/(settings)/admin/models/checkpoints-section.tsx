/** @file All checkpoints on this machine, each under the one it was trained from, with what can be done with it. */
"use client";

import Link from "next/link";
import { useState } from "react";
import { IconButton } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { CopyButton } from "@/app/_components/copy-button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { type Meaning, MeaningBadge } from "@/app/_components/meaning-badge";
import { Menu, MenuItem, MenuLink } from "@/app/_components/menu";
import { Moment } from "@/app/_components/moment";
import type { Checkpoint } from "@/app/_lib/api-types";
import { formatBytes } from "@/app/_lib/format";
import { DownloadDialog } from "./download-dialog";
import { orderByLineage } from "./lineage";

type Row = { checkpoint: Checkpoint; depth: number };

export function CheckpointsSection({ checkpoints }: { checkpoints: Checkpoint[] }) {
  const [downloaded, setDownloaded] = useState<Checkpoint | null>(null);
  return (
    <>
      <DataTable
        caption="Checkpoints"
        columns={columns(setDownloaded)}
        rows={orderByLineage(checkpoints)}
        rowKey={({ checkpoint }) => checkpoint.id}
      />
      {downloaded && <DownloadDialog checkpoint={downloaded} onClose={() => setDownloaded(null)} />}
    </>
  );
}

const stages: Record<Checkpoint["stage"], { meaning: Meaning; name: string }> = {
  base: { meaning: "reference", name: "base" },
  pretrain: { meaning: "reference", name: "pretrain" },
  sft: { meaning: "reference", name: "SFT" },
  reward: { meaning: "people", name: "reward" },
  ppo: { meaning: "candidate", name: "PPO" },
};

// Whole class names: they are found in this text when the styles are made.
const indents = ["", "pl-5", "pl-10", "pl-15", "pl-20"];

function columns(onDownload: (checkpoint: Checkpoint) => void): Column<Row>[] {
  return [
    {
      title: "Name",
      cell: ({ checkpoint: { id, name, isToy, channels }, depth }) => (
        <div id={`checkpoint-${id}`} className={`min-w-44 ${indents[Math.min(depth, indents.length - 1)]}`}>
          {depth > 0 && (
            <span className="text-muted">
              <span aria-hidden="true">└ </span>
              <span className="sr-only">trained from the one above: </span>
            </span>
          )}
          <span className="font-medium">{name}</span>
          {isToy && <span className="text-muted"> (toy)</span>}
          {channels.map((channel) => (
            <span key={channel} className="ml-3">
              <MeaningBadge meaning={channel === "live" ? "live" : "candidate"}>{channel}</MeaningBadge>
            </span>
          ))}
        </div>
      ),
    },
    {
      title: "Stage",
      cell: ({ checkpoint: { stage } }) => (
        <MeaningBadge meaning={stages[stage].meaning}>{stages[stage].name}</MeaningBadge>
      ),
    },
    {
      title: "Made by",
      cell: ({ checkpoint: { run } }) =>
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
      title: "Id",
      cell: ({ checkpoint: { id } }) => (
        <span className="-my-1.5 inline-flex items-center">
          <code className="font-mono text-small">{id.slice(0, 12)}</code>
          <CopyButton text={id} label="Copy the whole id" />
        </span>
      ),
    },
    { title: "Size", isNumber: true, cell: ({ checkpoint: { sizeBytes } }) => formatBytes(sizeBytes) },
    {
      title: "Here since",
      cell: ({ checkpoint: { createdAt } }) => <Moment at={createdAt} withTime={false} />,
    },
    {
      title: "Acts",
      isTitleHidden: true,
      cell: ({ checkpoint }) => (
        <div className="flex min-w-max justify-end gap-2">
          {checkpoint.stage !== "reward" && !checkpoint.channels.includes("live") && (
            <>
              <Link href={`/temporary?checkpoint=${checkpoint.id}`} className={buttonClass("plain", true)}>
                Chat beside live
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
              <IconButton icon="dots" label={`More about ${checkpoint.name} ${checkpoint.id.slice(0, 8)}`} />
            }
          >
            {checkpoint.stage !== "reward" && (
              <MenuLink icon="chart" href={`/admin/runs/new?base=${checkpoint.id}`}>
                Train from it
              </MenuLink>
            )}
            {checkpoint.stage === "reward" && (
              <MenuLink icon="chart" href={`/admin/reward-models/${checkpoint.id}`}>
                How far to trust it
              </MenuLink>
            )}
            <MenuItem icon="download" onSelect={() => onDownload(checkpoint)}>
              Download
            </MenuItem>
          </Menu>
        </div>
      ),
    },
  ];
}
