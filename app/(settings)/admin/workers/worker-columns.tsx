/** @file The columns of the list of workers. */
"use client";

import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import type { Column } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import type { Worker } from "@/app/_lib/api-types";
import { formatBytes, plural } from "@/app/_lib/format";

const states: Record<Worker["state"], string> = {
  new: "never seen",
  idle: "waits for a run",
  working: "trains",
  away: "away",
  revoked: "revoked",
};

type Acts = { isBusy: boolean; onRevoke: (workerId: string) => void };

export function workerColumns({ isBusy, onRevoke }: Acts): Column<Worker>[] {
  return [
    {
      title: "Name",
      cell: ({ name, kind, suffix }) => (
        <div className="min-w-28">
          <p className="font-medium">{name}</p>
          <p className="text-small text-muted">
            {kind === "embedded" ? "part of this server" : `token …${suffix}`}
          </p>
        </div>
      ),
    },
    {
      title: "State",
      cell: ({ state, run }) => (
        <>
          {states[state]}
          {run && (
            <>
              {" "}
              <Link href={`/admin/runs/${run.id}`} className="underline decoration-line underline-offset-2">
                run {run.number}
              </Link>
            </>
          )}
        </>
      ),
    },
    { title: "Stages", cell: ({ stages }) => stages.join(", ") || "–" },
    {
      title: "Machine",
      cell: ({ capabilities }) => <span className="text-small">{describe(capabilities)}</span>,
    },
    {
      title: "Versions",
      cell: ({ versions, protocolVersion }) => (
        <span className="text-small text-muted">
          {Object.entries(versions)
            .map(([name, version]) => `${name} ${version}`)
            .join(", ")}
          {protocolVersion !== null && <span className="block">protocol {protocolVersion}</span>}
        </span>
      ),
    },
    {
      title: "Last heard",
      cell: ({ lastSeenAt }) =>
        lastSeenAt ? <Moment at={lastSeenAt} /> : <span className="text-muted">never</span>,
    },
    {
      title: "Revoke",
      isTitleHidden: true,
      cell: (worker) =>
        worker.state !== "revoked" &&
        worker.kind !== "embedded" && <RevokeButton worker={worker} isBusy={isBusy} onRevoke={onRevoke} />,
    },
  ];
}

/** It cannot be undone, but another token can be made at once: a second press is enough. */
function RevokeButton({ worker, isBusy, onRevoke }: Acts & { worker: Worker }) {
  const [isArmed, setIsArmed] = useState(false);
  return (
    <Button
      small
      look={isArmed ? "danger" : "plain"}
      busy={isBusy}
      aria-label={`${isArmed ? "Revoke for good" : "Revoke"} ${worker.name}`}
      onBlur={() => setIsArmed(false)}
      onClick={() => (isArmed ? onRevoke(worker.id) : setIsArmed(true))}
    >
      {isArmed ? "Revoke for good" : "Revoke"}
    </Button>
  );
}

function describe(capabilities: Worker["capabilities"]): string {
  if (!capabilities) return "not known yet";
  const { device, deviceCount, memoryBytes, threads } = capabilities;
  const parts = [
    deviceCount && deviceCount > 1 ? `${deviceCount} × ${device}` : device,
    memoryBytes ? `${formatBytes(memoryBytes)} memory` : null,
    threads ? plural(threads, "thread", "threads") : null,
  ];
  return parts.filter((part) => part !== null).join(", ");
}
