/** @file Which charts a run's metrics make, and the lines of each. Knows no canvas. */
import { alignLines, type Curves } from "../_charts/curve-data";
import type { Line } from "../_charts/uplot-chart";
import { isPhaseMetric } from "./phase-bars";

export type ChartDescription = {
  title: string;
  unit?: string;
  names: string[];
  height: number;
  /** What is drawn of one of the metric; left out: as it is. */
  scale?: number;
};

const known: ChartDescription[] = [
  { title: "Loss", unit: "nats per token", names: ["loss", "validationLoss"], height: 220 },
  { title: "Pairs ordered as people did", unit: "%", names: ["pairAccuracy"], height: 160, scale: 100 },
  { title: "Learning rate", names: ["lr"], height: 100 },
  { title: "Gradient norm", unit: "before clipping", names: ["gradientNorm"], height: 100 },
  { title: "Speed", unit: "tokens per second", names: ["tokensPerSecond"], height: 100 },
  { title: "Memory", unit: "MB", names: ["memoryBytes"], height: 124, scale: 1e-6 },
];
/** Told for progress, not for curves. */
const notDrawn = ["secondsLeft", "tokensSeen", "epoch"];

const titles: Record<string, string> = {
  loss: "Loss",
  validationLoss: "Validation loss",
  pairAccuracy: "Pairs right",
  lr: "Learning rate",
  gradientNorm: "Gradient norm",
  tokensPerSecond: "Tokens per second",
  memoryBytes: "Memory (bytes)",
};
export const chartTitle = (name: string): string => titles[name] ?? name;

/** Those that have a metric, in a fixed order; what else a worker reports comes after them under its own name. */
export function describeCharts(curves: Curves): ChartDescription[] {
  const charts = known.flatMap((chart) => {
    const names = chart.names.filter((name) => curves.has(name));
    // A reward model's loss is of prompts, not of tokens.
    const unit = chart.title === "Loss" && curves.has("pairAccuracy") ? "nats per prompt" : chart.unit;
    return names.length > 0 ? [{ ...chart, ...(unit && { unit }), names }] : [];
  });
  const drawn = [...known.flatMap(({ names }) => names), ...notDrawn];
  const others = [...curves.keys()].filter((name) => !drawn.includes(name) && !isPhaseMetric(name)).sort();
  return [...charts, ...others.map((name) => ({ title: name, names: [name], height: 100 }))];
}

const sparse = ["validationLoss", "pairAccuracy"];

/** Columns and lines; where points were thinned out, lowest and highest are drawn as a band, so that no spike is lost. */
export function drawChart({ names, scale = 1 }: ChartDescription, curves: Curves) {
  const parts = names.flatMap((name, i) => {
    const curve = curves.get(name);
    if (!curve) return [];
    const colorClass = i === 0 ? "text-series-1" : "text-series-2";
    const isSparse = sparse.includes(name);
    const line: Line = {
      label: chartTitle(name),
      colorClass,
      isSparse,
      ...(i > 0 && { dash: [6, 4] }),
    };
    const isThinned = !isSparse && curve.mins.some((min, at) => min !== curve.maxs[at]);
    const edge: Line = { label: `${name} range`, colorClass, isBandEdge: true };
    return [
      { line, xs: curve.steps, ys: curve.means },
      ...(isThinned
        ? [
            { line: edge, xs: curve.steps, ys: curve.maxs },
            { line: edge, xs: curve.steps, ys: curve.mins },
          ]
        : []),
    ];
  });
  const scaled = parts.map(({ xs: steps, ys }) => ({
    xs: steps,
    ys: ys.map((y) => (y === null ? null : y * scale)),
  }));
  const { xs, columns } = alignLines(scaled);
  const lines = parts.map(({ line }) => line);
  const bands = lines.flatMap((line, i): [number, number][] =>
    line.isBandEdge && lines[i + 1]?.isBandEdge && !lines[i - 1]?.isBandEdge ? [[i, i + 1]] : [],
  );
  return { xs, columns, lines, bands };
}
