/** @file Where a run's time goes: its phases as one stacked strip, with their seconds. */
"use client";

import { classNames } from "@/app/_components/class-names";
import type { TimelineRow } from "@/app/_lib/api-types";
import { formatDuration } from "@/app/_lib/format";
import { useTimeline } from "./use-timeline";

const kinds = ["phase"] as const;
const colors = ["text-series-1", "text-series-2", "text-series-3", "text-series-4", "text-series-5"];

export function PhaseStrip({ runId, newRows }: { runId: string; newRows: readonly TimelineRow[] }) {
  const { rows } = useTimeline({ runId, kinds, newRows, limit: 500 });
  if (rows.length === 0) return null;
  const seconds = new Map<string, number>();
  for (const { payload } of rows)
    seconds.set(payload.name, (seconds.get(payload.name) ?? 0) + payload.seconds);
  const phases = [...seconds].map(([name, spent], i) => ({ name, spent, color: colors[i % colors.length] }));
  const total = phases.reduce((sum, { spent }) => sum + spent, 0);
  let from = 0;
  return (
    <figure className="space-y-1.5">
      <figcaption className="text-small font-medium">
        Time by phase <span className="font-normal text-muted">(last {rows.length} phases)</span>
      </figcaption>
      <svg
        aria-hidden="true"
        viewBox="0 0 100 4"
        preserveAspectRatio="none"
        className="block h-3 w-full rounded-sm"
      >
        {phases.map(({ name, spent, color }) => {
          const x = (100 * from) / total;
          from += spent;
          return (
            <rect
              key={name}
              x={x}
              width={(100 * spent) / total}
              height={4}
              fill="currentColor"
              className={color}
            />
          );
        })}
      </svg>
      <ul className="flex flex-wrap gap-x-4 text-small">
        {phases.map(({ name, spent, color }) => (
          <li key={name} className="inline-flex items-center gap-1.5">
            <span aria-hidden="true" className={classNames("size-2 rounded-sm bg-current", color)} />
            {name} <span className="text-muted tabular">{formatDuration(spent)}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}
