/** @file Figures, most of them shares, with their intervals on one scale, one a row: the plot and the table of its numbers are the same thing. */
"use client";

import { type Column, DataTable } from "@/app/_components/data-table";
import { describeShare, percent } from "@/app/_lib/describe-share";
import { placeOn, type Scale, scaleOf } from "./forest-scale";

export type ForestRow = {
  name: string;
  /**
   * people: triangle · held-out people: hollow triangle · reference: square, what others published, or a baseline ·
   * candidate: diamond, a model · other: hollow diamond, the one it is compared with ·
   * live: circle.
   */
  mark: "people" | "heldOut" | "reference" | "candidate" | "other" | "live";
  share: number;
  low: number | null;
  high: number | null;
  /** How much stands behind it. */
  n: string;
};

type ForestPlotProps = {
  caption: string;
  nameTitle: string;
  rows: readonly ForestRow[];
  /** What the shares are of. Default: agreement. */
  valueTitle?: string;
  /** What a mark stands for here, where it is not what it stands for in figures of agreement. */
  markTexts?: Partial<Record<ForestRow["mark"], string>>;
  /** For figures that are no shares from chance up: the scale, its words, and how a row's figure reads. */
  axis?: { scale: Scale; text: string; describe: (row: ForestRow) => string };
  /** Opens what is behind a row. */
  onOpen?: (row: ForestRow) => void;
};

export function ForestPlot({
  caption,
  nameTitle,
  rows,
  valueTitle = "Agreement",
  markTexts,
  axis,
  onOpen,
}: ForestPlotProps) {
  const scale = axis?.scale ?? scaleOf(rows);
  const columns: Column<ForestRow>[] = [
    {
      title: nameTitle,
      cell: (row) =>
        onOpen ? (
          <button
            type="button"
            className="block min-w-20 text-left underline underline-offset-2 hover:no-underline"
            onClick={() => onOpen(row)}
          >
            {row.name}
          </button>
        ) : (
          <span className="block min-w-20">{row.name}</span>
        ),
    },
    {
      title: "Plot",
      isTitleHidden: true,
      cell: (row) => <PlotRow row={row} scale={scale} hasChance={!axis} />,
    },
    { title: valueTitle, isNumber: true, cell: axis?.describe ?? describeShare },
    { title: "n", cell: ({ n }) => <span className="block min-w-64 text-small text-muted">{n}</span> },
  ];
  return (
    <figure>
      <DataTable caption={caption} columns={columns} rows={rows} rowKey={({ name }) => name} />
      <figcaption className="mt-1.5 flex flex-wrap gap-x-4 text-small text-muted">
        {keys.flatMap(({ mark, text }) =>
          rows.some((row) => row.mark === mark)
            ? [
                <span key={mark} className="inline-flex items-center gap-1.5">
                  <svg aria-hidden="true" width={14} height={14}>
                    <Mark mark={mark} x="50%" y={7} />
                  </svg>
                  {markTexts?.[mark] ?? text}
                </span>,
              ]
            : [],
        )}
        <span>
          {axis?.text ??
            `The scale runs from ${percent(scale.from)} % to 100 %, a line every ${percent((scale.ticks[1] ?? 1) - (scale.ticks[0] ?? 0))} points; the dashed one is chance, 50 %.`}
        </span>
      </figcaption>
    </figure>
  );
}

const keys = [
  { mark: "people", text: "labelers" },
  { mark: "heldOut", text: "held-out labelers" },
  { mark: "reference", text: "published" },
  { mark: "candidate", text: "this model" },
  { mark: "other", text: "the model compared with" },
  { mark: "live", text: "live policy" },
] as const;

const height = 22;

type PlotRowProps = { row: ForestRow; scale: Scale; hasChance: boolean };

/** Said in numbers by the next cell, so hidden from screen readers. */
function PlotRow({ row: { mark, share, low, high }, scale, hasChance }: PlotRowProps) {
  const color = colors[mark];
  return (
    <svg aria-hidden="true" height={height} className="block w-full min-w-16 overflow-visible sm:min-w-64">
      {scale.ticks.map((tick) => (
        <line
          key={tick}
          x1={placeOn(scale, tick)}
          x2={placeOn(scale, tick)}
          y1={0}
          y2={height}
          stroke="currentColor"
          strokeDasharray={hasChance && tick === 0.5 ? "3 3" : undefined}
          className={hasChance && tick === 0.5 ? "text-muted" : "text-line"}
        />
      ))}
      {low !== null && high !== null && (
        <line
          x1={placeOn(scale, low)}
          x2={placeOn(scale, high)}
          y1={height / 2}
          y2={height / 2}
          stroke="currentColor"
          strokeWidth={2}
          className={color}
        />
      )}
      <Mark mark={mark} x={placeOn(scale, share)} y={height / 2} />
    </svg>
  );
}

const colors: Record<ForestRow["mark"], string> = {
  people: "text-people",
  heldOut: "text-people",
  reference: "text-reference",
  candidate: "text-candidate",
  other: "text-candidate",
  live: "text-live",
};

const marks: Record<ForestRow["mark"], { shape: string; className: string }> = {
  people: { shape: "M0 -6l5.5 10h-11z", className: "fill-current text-people" },
  heldOut: { shape: "M0 -6l5.5 10h-11z", className: "fill-canvas text-people" },
  reference: { shape: "M-5 -5h10v10h-10z", className: "fill-current text-reference" },
  candidate: { shape: "M0 -6.5l6.5 6.5-6.5 6.5-6.5-6.5z", className: "fill-current text-candidate" },
  other: { shape: "M0 -6.5l6.5 6.5-6.5 6.5-6.5-6.5z", className: "fill-canvas text-candidate" },
  live: { shape: "M0 -5.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0 -11z", className: "fill-current text-live" },
};

function Mark({ mark, x, y }: { mark: ForestRow["mark"]; x: string; y: number }) {
  const { shape, className } = marks[mark];
  return (
    <svg aria-hidden="true" x={x} y={y} overflow="visible">
      <path d={shape} stroke="currentColor" strokeWidth={1.5} className={className} />
    </svg>
  );
}
