/** @file Where a run's time goes: its phases as a stacked strip over the steps, with their seconds, and the same as a table. */
"use client";

import { useMemo } from "react";
import { classNames } from "@/app/_components/class-names";
import { formatDuration, formatMetric } from "@/app/_lib/format";
import { nearestIndex } from "../_charts/curve-data";
import { CurvesTable } from "../_charts/curves-table";
import { UplotChart, type UplotChartProps } from "../_charts/uplot-chart";
import { type PhaseBars, stackHeights } from "./phase-bars";

type PhaseStripProps = Pick<UplotChartProps, "marks" | "range" | "cursorX" | "onCursor" | "onZoom"> & {
  bars: PhaseBars;
  /** Not all phases between steps could be read. */
  isCut: boolean;
};

const height = 124;

export function PhaseStrip({ bars, isCut, ...shared }: PhaseStripProps) {
  const { xs, phases } = bars;
  const columns = useMemo(() => stackHeights(phases), [phases]);
  const lines = phases.map(({ name, colorClass }) => ({ label: name, colorClass, isBar: true })).reverse();
  const at = shared.cursorX === null ? null : nearestIndex(xs, shared.cursorX);
  return (
    <figure>
      <figcaption className="flex flex-wrap items-baseline gap-x-4 text-small">
        <span className="font-medium">
          Time by phase <span className="font-normal text-muted">(seconds a step)</span>
        </span>
        <span className="text-muted">
          {at !== null
            ? `${nameSteps(bars, at)}:`
            : isCut
              ? "in all, rows before the newest 5,000 left out:"
              : "in all:"}
        </span>
        {phases.map(({ name, colorClass, secondsPerStep, totalSeconds }) => (
          <span key={name} className="inline-flex items-center gap-1.5">
            <span aria-hidden="true" className={classNames("size-2 rounded-sm bg-current", colorClass)} />
            <span className="text-muted">{name}</span>
            <span className="tabular">
              {at === null ? formatDuration(totalSeconds) : formatMetric(secondsPerStep[at])}
            </span>
          </span>
        ))}
      </figcaption>
      <UplotChart {...shared} {...{ xs, columns, lines, height }} hasXLabels />
    </figure>
  );
}

export function PhaseTable({ bars: { xs, phases, stepsPerBar } }: { bars: PhaseBars }) {
  const columns = phases.map(({ name, secondsPerStep }) => ({ title: name, values: secondsPerStep }));
  const firsts = xs.map((x) => x - (stepsPerBar - 1) / 2);
  return (
    <CurvesTable
      caption="Seconds a step by phase"
      summary="The phases as a table"
      xTitle={stepsPerBar === 1 ? "Step" : `${stepsPerBar} steps from`}
      xs={firsts}
      columns={columns}
    />
  );
}

function nameSteps({ xs, stepsPerBar }: PhaseBars, at: number): string {
  const first = (xs[at] ?? 0) - (stepsPerBar - 1) / 2;
  if (stepsPerBar === 1) return `step ${first.toLocaleString("en")}`;
  return `steps ${first.toLocaleString("en")} to ${(first + stepsPerBar - 1).toLocaleString("en")}`;
}
