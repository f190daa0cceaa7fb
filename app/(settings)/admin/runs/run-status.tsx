/** @file What a run is doing: one word with a shape, so that colour never says it alone. */
import { classNames } from "@/app/_components/class-names";
import type { RunStatus } from "@/app/_lib/api-types";

type Look = { word: string; shape: string; className: string };

const looks: Record<RunStatus, Look> = {
  queued: {
    word: "queued",
    shape: "M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M6 3.5V6l2 1",
    className: "text-muted",
  },
  running: { word: "running", shape: "M3 1.5l7.5 4.5L3 10.5z", className: "text-accent" },
  pausing: { word: "pausing", shape: "M3.5 1.5v9M8.5 1.5v9", className: "text-muted" },
  paused: { word: "paused", shape: "M3.5 1.5v9M8.5 1.5v9", className: "text-people" },
  cancelling: { word: "cancelling", shape: "M2 2l8 8M10 2l-8 8", className: "text-muted" },
  cancelled: { word: "cancelled", shape: "M2 2l8 8M10 2l-8 8", className: "text-muted" },
  finished: { word: "finished", shape: "M1.5 6.5l3 3 6-7", className: "text-live" },
  failed: { word: "failed", shape: "M6 1l5 9.5H1zM6 4.5v3M6 9h.01", className: "text-danger" },
};

export function RunStatusBadge({ status }: { status: RunStatus }) {
  const { word, shape, className } = looks[status];
  return (
    <span
      className={classNames(
        "inline-flex items-center gap-1.5 text-small font-medium whitespace-nowrap",
        className,
      )}
    >
      <svg
        aria-hidden="true"
        width={11}
        height={11}
        viewBox="0 0 12 12"
        fill={status === "running" ? "currentColor" : "none"}
        stroke="currentColor"
        strokeWidth={1.6}
        strokeLinecap="round"
        strokeLinejoin="round"
      >
        <path d={shape} />
      </svg>
      {word}
    </span>
  );
}

/** It may still change by itself. */
export function isUnderWay(status: RunStatus): boolean {
  return status !== "finished" && status !== "failed" && status !== "cancelled";
}
