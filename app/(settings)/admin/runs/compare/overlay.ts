/** @file The same metric of several runs as one chart: a line each, told apart by colour, dash and name. Knows no canvas. */
import { type Axis, alignLines, type Curves, placeOn } from "../_charts/curve-data";
import type { Line } from "../_charts/uplot-chart";

const compared: { name: string; title: string; unit?: string }[] = [
  { name: "validationLoss", title: "Validation loss", unit: "nats per token" },
  { name: "pairAccuracy", title: "Pairs ordered as people did", unit: "share" },
  { name: "loss", title: "Loss", unit: "nats per token" },
  { name: "gradientNorm", title: "Gradient norm" },
  { name: "lr", title: "Learning rate" },
  { name: "tokensPerSecond", title: "Speed", unit: "tokens per second" },
];

// Whole class names: they are found in this text when the styles are made.
const colors = [
  "text-series-1",
  "text-series-2",
  "text-series-3",
  "text-series-4",
  "text-series-5",
  "text-series-6",
] as const;
const dashes = [undefined, [6, 4], [2, 3], [10, 4, 2, 4]];

/** Colours come again after six runs, with another dash. */
export function lineStyle(at: number): Pick<Line, "colorClass" | "dash"> {
  const dash = dashes[(at + Math.floor(at / colors.length)) % dashes.length];
  return { colorClass: colors[at % colors.length] ?? "text-series-1", ...(dash && { dash }) };
}

export type Overlay = {
  title: string;
  unit?: string;
  xs: number[];
  columns: (number | null)[][];
  lines: Line[];
};

/** Charts that at least one of the runs has points for. */
export function overlay(runs: readonly { label: string; curves: Curves }[], axis: Axis): Overlay[] {
  return compared.flatMap(({ name, title, unit }) => {
    const points = runs.map(({ curves }) => {
      const curve = curves.get(name);
      return curve ? placeOn(axis, curve, curves.get("tokensSeen")) : { xs: [], ys: [] };
    });
    if (points.every(({ xs }) => xs.length === 0)) return [];
    // Each run has places of its own, so every line is joined over those of the others.
    const lines = runs.map(({ label }, i) => ({ label, ...lineStyle(i), joinsGaps: true }));
    return [{ title, ...(unit && { unit }), ...alignLines(points), lines }];
  });
}
