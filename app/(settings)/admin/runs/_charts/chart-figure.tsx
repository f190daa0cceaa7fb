/** @file A chart with its name, and a legend that says each line's value under the crosshair. */
"use client";

import { formatMetric } from "@/app/_lib/format";
import { nearestIndex, valueAt } from "./curve-data";
import { type Line, UplotChart, type UplotChartProps } from "./uplot-chart";

type ChartFigureProps = UplotChartProps & {
  title: string;
  unit?: string;
};

export function ChartFigure({ title, unit, ...chart }: ChartFigureProps) {
  const { lines, columns, xs, cursorX } = chart;
  const at = cursorX === null ? xs.length - 1 : nearestIndex(xs, cursorX);
  return (
    <figure>
      <figcaption className="flex flex-wrap items-baseline gap-x-4 text-small">
        <span className="font-medium">
          {title}
          {unit && <span className="font-normal text-muted"> ({unit})</span>}
        </span>
        {lines.map(
          (line, i) =>
            !line.isBandEdge && (
              <span key={line.label} className="inline-flex items-center gap-1.5">
                <LineSample line={line} />
                {lines.length > 1 && <span className="text-muted">{line.label}</span>}
                <span className="tabular">{formatMetric(valueAt(columns[i] ?? [], at))}</span>
              </span>
            ),
        )}
      </figcaption>
      <UplotChart {...chart} />
    </figure>
  );
}

/** A piece of the line as it is drawn. */
export function LineSample({ line: { colorClass, dash, isSparse } }: { line: Line }) {
  return (
    <svg aria-hidden="true" width={18} height={8} viewBox="0 0 18 8" className={colorClass}>
      <path d="M0 4h18" stroke="currentColor" strokeWidth={2} strokeDasharray={dash?.join(" ")} />
      {isSparse && <circle cx={9} cy={4} r={3} fill="currentColor" />}
    </svg>
  );
}
