/** @file One row of a timeline in words. */
import type { TimelineRow } from "@/app/_lib/api-types";
import { formatDuration } from "@/app/_lib/format";

const incidents: Record<string, string> = {
  nonFiniteStep: "Step left out",
  guardRail: "Guard rail",
  diskFull: "Disk full",
  connectionLost: "Connection lost",
  badData: "Bad data",
  processKilled: "Process killed",
  other: "Incident",
  workerLost: "Worker lost",
  workerReplaced: "Worker replaced",
  workerStopped: "Worker stopped",
  codeFailed: "Failure",
  dataErased: "Data erased",
};

export function describeRow(row: TimelineRow): string {
  switch (row.kind) {
    case "log":
      return row.payload.level === "info" ? row.payload.text : `${row.payload.level}: ${row.payload.text}`;
    case "incident":
      return `${incidents[row.payload.what] ?? row.payload.what}: ${row.payload.text}`;
    case "phase":
      return `Phase ${row.payload.name} took ${formatDuration(row.payload.seconds)}`;
    case "state":
      return describeState(row.payload);
    case "checkpoint":
      return `Checkpoint ${row.payload.checkpointId.slice(0, 12)} saved${row.payload.isBest ? ", the best so far" : ""}`;
    case "sample":
      return "erased" in row.payload ? "A sample that was erased" : row.payload.prompt;
  }
}

type State = Extract<TimelineRow, { kind: "state" }>["payload"];

function describeState({ status, act, actorId, actor, copyOf, reason }: State): string {
  const who = actor ?? (actorId === null ? "Somebody at the server's command line" : "A deleted account");
  const copy = copyOf === undefined ? "" : ` as a copy of run ${copyOf}`;
  const what = act === undefined ? `Became ${status}` : `${who} ${act} it${copy}`;
  return reason ? `${what}: ${reason}` : what;
}

export function isBad(row: TimelineRow): boolean {
  if (row.kind === "incident") return true;
  if (row.kind === "state") return row.payload.status === "failed";
  return row.kind === "log" && row.payload.level === "error";
}
