/** @file One chart on a canvas: lines, a band, marks on the axis; crosshair and zoom are the page's, so that charts share them. */
"use client";

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { formatMetric } from "@/app/_lib/format";

export type Line = {
  label: string;
  /** A text colour class: the legend wears it, and the canvas is painted with what it comes to in the theme. */
  colorClass: string;
  dash?: number[];
  /** Few points far apart: joined over the gaps, and each one shown. */
  isSparse?: boolean;
  /** Joined over places that only other lines have. */
  joinsGaps?: boolean;
  /** Its lowest and highest over each point, as indices of columns: drawn as a band. */
  isBandEdge?: boolean;
  /** A filled bar from 0 at each place, over those of the lines before it. */
  isBar?: boolean;
};
export type Mark = { x: number; colorClass: string };
export type Range = { min: number; max: number };

export type UplotChartProps = {
  xs: number[];
  columns: (number | null)[][];
  lines: Line[];
  /** Pairs of columns [upper, lower] between which it is filled. */
  bands?: [number, number][];
  marks?: Mark[];
  height: number;
  /** Whole x axis of the page; null: that of this chart's own points. */
  range: Range | null;
  hasXLabels: boolean;
  /** x counts seconds since 1970, labelled with days and hours. */
  isTime?: boolean;
  cursorX: number | null;
  onCursor: (x: number | null) => void;
  onZoom: (range: Range | null) => void;
};

export function UplotChart(props: UplotChartProps) {
  const container = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = JSON.stringify([props.lines, props.bands, props.height, props.hasXLabels]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for what the chart is built of; the rest is read from `latest`
  useEffect(() => {
    const element = container.current;
    if (!element) return;
    const colors = new Colors(element);
    const plot = new uPlot(
      buildOptions(latest, colors, element.clientWidth),
      toData(latest.current),
      element,
    );
    chart.current = plot;
    applyRange(plot, latest.current);
    const repaint = () => {
      colors.forget();
      plot.redraw(false, true);
    };
    const sizes = new ResizeObserver(() => {
      if (element.clientWidth > 0)
        plot.setSize({ width: element.clientWidth, height: latest.current.height });
    });
    sizes.observe(element);
    const theme = matchMedia("(prefers-color-scheme: dark)");
    theme.addEventListener("change", repaint);
    const themeChoice = new MutationObserver(repaint);
    themeChoice.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      sizes.disconnect();
      theme.removeEventListener("change", repaint);
      themeChoice.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, [shape]);

  const { xs, columns, marks, range, cursorX } = props;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `marks` is painted by a hook that reads the latest
  useEffect(() => {
    if (!chart.current) return;
    chart.current.setData(toData(latest.current), false);
    applyRange(chart.current, latest.current);
  }, [xs, columns, marks, range]);

  useEffect(() => {
    const plot = chart.current;
    if (!plot) return;
    if (cursorX === null) plot.setCursor({ left: -10, top: -10 }, false);
    else plot.setCursor({ left: plot.valToPos(cursorX, "x"), top: 0 }, false);
  }, [cursorX]);

  return <div ref={container} aria-hidden="true" className="min-w-0" />;
}

function toData({ xs, columns }: UplotChartProps): uPlot.AlignedData {
  return [xs, ...columns];
}

function applyRange(plot: uPlot, { range, xs }: UplotChartProps): void {
  const min = range?.min ?? xs[0] ?? 0;
  const max = range?.max ?? xs.at(-1) ?? 1;
  plot.batch(() => plot.setScale("x", { min, max: max > min ? max : min + 1 }));
}

function buildOptions(latest: { current: UplotChartProps }, colors: Colors, width: number): uPlot.Options {
  const { lines, bands = [], height, hasXLabels, isTime = false } = latest.current;
  const axis = { stroke: () => colors.of("text-muted"), font: "12px system-ui, sans-serif" };
  const grid = { stroke: () => colors.of("text-line"), width: 1 };
  return {
    width: Math.max(width, 100),
    height,
    legend: { show: false },
    padding: [8, 8, hasXLabels ? 0 : 4, 0],
    scales: { x: { time: isTime }, y: { range: lines.some(({ isBar }) => isBar) ? fromZero : paddedRange } },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      // No point on bars, nor on the edges of a band: the line inside it has one.
      points: { size: (_plot, i) => (lines[i - 1]?.isBandEdge || lines[i - 1]?.isBar ? 0 : 7) },
    },
    axes: [
      {
        ...axis,
        grid,
        ticks: grid,
        // Days go under hours.
        size: hasXLabels ? (isTime ? 40 : 28) : 0,
        ...(!isTime && {
          values: (_plot: uPlot, splits: number[]) =>
            hasXLabels ? splits.map((x) => x.toLocaleString("en")) : splits.map(() => ""),
        }),
      },
      {
        ...axis,
        grid,
        ticks: grid,
        size: 58,
        space: 28,
        values: (_plot, splits) => splits.map(formatMetric),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, colorClass, dash, isSparse, joinsGaps, isBandEdge, isBar }) => ({
        label,
        stroke: () => colors.of(colorClass),
        width: isBandEdge || isBar ? 0 : 1.5,
        ...(dash && { dash }),
        ...(isBar && barPaths && { paths: barPaths, fill: () => colors.of(colorClass) }),
        spanGaps: (isSparse || joinsGaps) ?? false,
        points: {
          show: isBandEdge || isBar ? false : (isSparse ?? undefined),
          size: 5,
          fill: () => colors.of(colorClass),
        },
      })),
    ],
    bands: bands.map(([upper, lower]) => ({
      series: [upper + 1, lower + 1] as [number, number],
      fill: () => colors.of(lines[upper]?.colorClass ?? "text-muted", 0.18),
    })),
    hooks: {
      setCursor: [
        (plot) => {
          // Only where the pointer is: the other charts are told by the page.
          const { left } = plot.cursor;
          if (!plot.over.matches(":hover")) return;
          latest.current.onCursor(left === undefined || left < 0 ? null : plot.posToVal(left, "x"));
        },
      ],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide < 4) return;
          latest.current.onZoom({ min: plot.posToVal(left, "x"), max: plot.posToVal(left + wide, "x") });
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      ready: [(plot) => plot.over.addEventListener("dblclick", () => latest.current.onZoom(null))],
      draw: [(plot) => drawMarks(plot, latest.current.marks ?? [], colors)],
    },
  };
}

/** Nearly as wide as the space between two places, and no wider than a few of them would be. */
const barPaths = uPlot.paths.bars?.({ size: [0.9, 48] });

function fromZero(_plot: uPlot, _min: number | null, max: number | null): [number, number] {
  return [0, max ? max * 1.08 : 1];
}

/** Room above and below, and a line of one value is not a line on the edge. */
function paddedRange(_plot: uPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  const room = max > min ? (max - min) * 0.08 : Math.abs(max) * 0.1 || 1;
  return [min >= 0 ? Math.max(0, min - room) : min - room, max + room];
}

/** A dashed line through the chart and a triangle at its foot. */
function drawMarks(plot: uPlot, marks: readonly Mark[], colors: Colors): void {
  const { ctx, bbox } = plot;
  const size = 5 * devicePixelRatio;
  ctx.save();
  for (const { x, colorClass } of marks) {
    const at = plot.valToPos(x, "x", true);
    if (at < bbox.left || at > bbox.left + bbox.width) continue;
    const foot = bbox.top + bbox.height;
    ctx.strokeStyle = ctx.fillStyle = colors.of(colorClass);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, foot);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(at, foot - 1.6 * size);
    ctx.lineTo(at + size, foot);
    ctx.lineTo(at - size, foot);
    ctx.fill();
  }
  ctx.restore();
}

/** What a text colour class comes to in the theme of the moment: a canvas knows no classes. */
class Colors {
  readonly #known = new Map<string, string>();
  constructor(readonly element: HTMLElement) {}

  of(colorClass: string, alpha = 1): string {
    const key = `${colorClass} ${alpha}`;
    const known = this.#known.get(key);
    if (known) return known;
    const probe = document.createElement("span");
    probe.className = `hidden ${colorClass}`;
    this.element.append(probe);
    const color = getComputedStyle(probe).color;
    probe.remove();
    const made = alpha === 1 ? color : color.replace(/\)$/, ` / ${alpha})`);
    this.#known.set(key, made);
    return made;
  }

  forget(): void {
    this.#known.clear();
  }
}
