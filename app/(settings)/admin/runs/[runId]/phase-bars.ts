/** @file Where a run's time goes: phases of the steps (metrics `…Seconds`) and phases between them (rows) as one stack over the steps. Knows no canvas. */
import type { TimelineRow } from "@/app/_lib/api-types";
import type { Curve, Curves } from "../_charts/curve-data";
import { placeRow } from "./timeline-rows";

type PhaseRow = Extract<TimelineRow, { kind: "phase" }>;

export type Phase = {
  name: string;
  colorClass: string;
  /** In each bar: of all its steps together, over their number. */
  secondsPerStep: number[];
  totalSeconds: number;
};

export type PhaseBars = {
  /** Middle of each bar, in steps. */
  xs: number[];
  /** From the bottom of the stack to its top. */
  phases: Phase[];
  stepsPerBar: number;
};

/** Bottom to top: what every step does, then what is done now and then. What is not here comes last, in the first colours. */
const colorOf: Record<string, string> = {
  generation: "text-series-4",
  scoring: "text-series-3",
  reference: "text-series-6",
  value: "text-series-5",
  gradient: "text-series-1",
  update: "text-series-2",
  evaluate: "text-series-3",
  sample: "text-series-4",
  save: "text-series-5",
  load: "text-series-6",
  upload: "text-muted",
};
const otherColors = ["text-series-1", "text-series-2", "text-series-3", "text-series-4", "text-series-5"];
const metricPattern = /^(.+)Seconds$/;
const mostBars = 60;

export const isPhaseMetric = (name: string): boolean => metricPattern.test(name);

type PhaseInput = {
  curves: Curves;
  rows: readonly PhaseRow[];
  startedAt: Date | null;
  lastStep: number;
  /** Steps that one point of the curves stands for. */
  stepsPerPoint: number;
  /** What is looked at. */
  range: { min: number; max: number };
};

/** Null where nothing has been told of phases. */
export function stackPhases(input: PhaseInput): PhaseBars | null {
  const { curves, rows, startedAt, lastStep, stepsPerPoint, range } = input;
  const points = Math.max(1, range.max - range.min) / stepsPerPoint;
  const stepsPerBar = stepsPerPoint * Math.ceil(points / mostBars);
  const barCount = Math.floor(lastStep / stepsPerBar) + 1;
  const sums = new Map<string, number[]>();
  const add = (name: string, step: number, seconds: number) => {
    const bars = sums.get(name) ?? new Array<number>(barCount).fill(0);
    const at = Math.min(barCount - 1, Math.floor(step / stepsPerBar));
    bars[at] = (bars[at] ?? 0) + seconds;
    sums.set(name, bars);
  };
  for (const [metric, curve] of curves) {
    const name = metricPattern.exec(metric)?.[1];
    if (name) for (const [step, seconds] of totalsOf(curve, stepsPerPoint)) add(name, step, seconds);
  }
  for (const row of rows) {
    add(row.payload.name, placeRow(row, curves.get("loss"), startedAt) ?? 0, row.payload.seconds);
  }
  if (sums.size === 0) return null;
  const bars = Array.from({ length: barCount }, (_, at) => at * stepsPerBar);
  const stepsIn = bars.map((first) => Math.min(first + stepsPerBar - 1, lastStep) - Math.max(first, 1) + 1);
  const phases = [...sums.keys()].sort(byPlace).map((name, i): Phase => {
    const seconds = sums.get(name) ?? [];
    return {
      name,
      colorClass: colorOf[name] ?? otherColors[i % otherColors.length] ?? "",
      secondsPerStep: seconds.map((sum, at) => sum / Math.max(1, stepsIn[at] ?? 1)),
      totalSeconds: seconds.reduce((sum, each) => sum + each, 0),
    };
  });
  return { xs: bars.map((first) => first + (stepsPerBar - 1) / 2), phases, stepsPerBar };
}

/** A thinned point carries the mean of its steps: its seconds are those of all steps since the point before it. */
function totalsOf({ steps, means }: Curve, stepsPerPoint: number): [step: number, seconds: number][] {
  return steps.map((step, i) => {
    const count = Math.min(stepsPerPoint, step - (steps[i - 1] ?? 0));
    return [step, (means[i] ?? 0) * count];
  });
}

function byPlace(a: string, b: string): number {
  const order = Object.keys(colorOf);
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return place(a) - place(b) || (a < b ? -1 : 1);
}

/** Heights for bars drawn one over the other, highest first: each phase on top of those below it. */
export function stackHeights(phases: readonly Phase[]): number[][] {
  const below = new Array<number>(phases[0]?.secondsPerStep.length ?? 0).fill(0);
  const heights = phases.map(({ secondsPerStep }) =>
    secondsPerStep.map((seconds, at) => {
      below[at] = (below[at] ?? 0) + seconds;
      return below[at];
    }),
  );
  return heights.reverse();
}
