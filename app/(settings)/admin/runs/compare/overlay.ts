/**
 * @file The same metric of several runs as one chart: a line each, told apart by colour, dash and name; of runs that are
 * seeds of one configuration their median, and a band from the lowest to the highest. Knows no canvas.
 */
import { bandsOf } from "../_charts/bands-of";
import { type Axis, alignLines, type Curves, type Points, placeOn } from "../_charts/curve-data";
import type { Line } from "../_charts/uplot-chart";
import { median } from "../median";

const compared: { name: string; title: string; unit?: string }[] = [
  { name: "validationLoss", title: "Validation loss", unit: "nats per token" },
  { name: "pairAccuracy", title: "Pairs ordered as people did", unit: "share" },
  { name: "heldOutScore", title: "Score of held-out prompts" },
  { name: "score", title: "Score of training prompts" },
  { name: "heldOutKl", title: "KL from the reference, held-out prompts", unit: "nats a response" },
  { name: "klK3", title: "KL from the reference, training prompts", unit: "nats a response" },
  { name: "heldOutWin", title: "Held-out responses above the reference’s", unit: "share" },
  { name: "part.judge", title: "The judge’s score" },
  { name: "entropy", title: "Entropy", unit: "nats a token" },
  { name: "responseTokens", title: "Length of responses", unit: "tokens" },
  { name: "loss", title: "Loss", unit: "nats per token" },
  { name: "gradientNorm", title: "Gradient norm" },
  { name: "lr", title: "Learning rate" },
  { name: "tokensPerSecond", title: "Speed", unit: "tokens per second" },
];
/** What stands for several of PPO's own. */
const summedUp = ["loss", "gradientNorm"];

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

/** Colours come again after six lines, with another dash. */
export function lineStyle(at: number): Pick<Line, "colorClass" | "dash"> {
  const dash = dashes[(at + Math.floor(at / colors.length)) % dashes.length];
  return { colorClass: colors[at % colors.length] ?? "text-series-1", ...(dash && { dash }) };
}

type Named = { id: string; number: number; name: string; seedsOfId: string | null };
/** Drawn as one: a run by itself, or seeds that were started together. */
export type RunGroup = { label: string; runIds: string[] };

/** @param together seeds of one configuration, where two or more of them are there, are one group */
export function groupRuns(runs: readonly Named[], together: boolean): RunGroup[] {
  const groups = new Map<string, Named[]>();
  for (const run of runs) {
    const key = together ? (run.seedsOfId ?? run.id) : run.id;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map((members) => ({
    label: labelOf(members),
    runIds: members.map(({ id }) => id),
  }));
}

function labelOf(members: readonly Named[]): string {
  const [first] = members;
  if (members.length === 1) return `${first?.number} ${first?.name}`;
  const name = first?.name.replace(/, seed \d+$/, "");
  return `${name}: median of ${members.length} seeds, band from lowest to highest`;
}

export type Overlay = {
  title: string;
  unit?: string;
  xs: number[];
  columns: (number | null)[][];
  lines: Line[];
  bands: [number, number][];
};

type Group = { label: string; members: readonly Curves[] };
type Placed = ReturnType<typeof placeOn>;

/** Charts that at least one of the runs has points for. */
export function overlay(groups: readonly Group[], axis: Axis): Overlay[] {
  const known = groups.flatMap(({ members }) => members).filter(({ size }) => size > 0);
  const isPpo = known.every((curves) => curves.has("klK3"));
  const charts = compared.filter(({ name }) => !(isPpo && summedUp.includes(name)));
  return charts.flatMap(({ name, title, unit }) => {
    const drawn = groups.flatMap(({ label, members }, at) => {
      const placed = members.flatMap((curves) => {
        const curve = curves.get(name);
        return curve ? placeOn(axis, curve, curves.get("tokensSeen")) : [];
      });
      // Each run has places of its own, so every line is joined over those of the others.
      return linesOf(placed, { label, ...lineStyle(at), joinsGaps: true });
    });
    if (drawn.every(({ xs }) => xs.length === 0)) return [];
    const lines = drawn.map(({ line }) => line);
    return [{ title, ...(unit && { unit }), ...alignLines(drawn), lines, bands: bandsOf(lines) }];
  });
}

function linesOf(members: readonly Placed[], line: Line): (Points & { line: Line })[] {
  const [only] = members;
  if (members.length <= 1) return [{ xs: only?.xs ?? [], ys: only?.ys ?? [], line }];
  const { xs, medians, highest, lowest } = spreadOf(members);
  const edge = { ...line, isBandEdge: true };
  return [
    { xs, ys: medians, line },
    { xs, ys: highest, line: { ...edge, label: `${line.label}: highest` } },
    { xs, ys: lowest, line: { ...edge, label: `${line.label}: lowest` } },
  ];
}

/** Step by step, over those that have come so far; by time or tokens a step lies at the median of its places. */
function spreadOf(members: readonly Placed[]) {
  const bySteps = new Map<number, { x: number; y: number }[]>();
  for (const { xs, ys, steps } of members)
    for (const [i, step] of steps.entries()) {
      const [x, y] = [xs[i], ys[i]];
      if (x === undefined || y === undefined || y === null) continue;
      bySteps.set(step, [...(bySteps.get(step) ?? []), { x, y }]);
    }
  const points = [...bySteps].toSorted(([a], [b]) => a - b).map(([, of]) => of);
  const each = (pick: (values: number[]) => number | null) => points.map((of) => pick(of.map(({ y }) => y)));
  return {
    xs: points.map((of) => median(of.map(({ x }) => x)) ?? 0),
    medians: each(median),
    highest: each((values) => Math.max(...values)),
    lowest: each((values) => Math.min(...values)),
  };
}
