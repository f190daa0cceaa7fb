/** @file Which charts a run's metrics make, and the lines of each. Knows no canvas. */
import { bandsOf } from "../_charts/bands-of";
import { alignLines, type Curves } from "../_charts/curve-data";
import type { Line } from "../_charts/uplot-chart";
import { isBestOf } from "./kl-points";
import { isPhaseMetric } from "./phase-bars";

export type ChartDescription = {
  title: string;
  unit?: string;
  names: string[];
  height: number;
  /** What is drawn of one of the metric; left out: as it is. */
  scale?: number;
  /** For whoever looks closer. */
  isMinor?: boolean;
};

const parts = "part.";

/** Those of PPO, which its metrics are told by. */
const ofPpo: ChartDescription[] = [
  { title: "Score", names: ["score", "heldOutScore"], height: 220 },
  { title: "Reward", unit: "score less the KL penalty, a response", names: ["reward"], height: 124 },
  { title: "Parts of the score", names: [parts], height: 160 },
  {
    title: "KL from the reference",
    unit: "nats a response",
    names: ["klK3", "klK1", "heldOutKl"],
    height: 160,
  },
  {
    title: "Held-out responses that score above the reference’s",
    unit: "%",
    names: ["heldOutWin"],
    height: 100,
    scale: 100,
  },
  { title: "Entropy", unit: "nats a token", names: ["entropy"], height: 100 },
  { title: "Length of responses", unit: "tokens", names: ["responseTokens"], height: 100 },
  {
    title: "Ended by themselves, and repeated",
    unit: "%",
    names: ["endedShare", "repetition"],
    height: 124,
    scale: 100,
  },
  { title: "Explained variance", names: ["explainedVariance"], height: 100, isMinor: true },
  { title: "Policy loss", names: ["pgLoss"], height: 100, isMinor: true },
  { title: "Value loss", names: ["vfLoss"], height: 100, isMinor: true },
  {
    title: "Clipped",
    unit: "%",
    names: ["clipFrac", "valueClipFrac"],
    height: 100,
    scale: 100,
    isMinor: true,
  },
  { title: "KL of the updates", unit: "nats a token", names: ["approxKl"], height: 100, isMinor: true },
  {
    title: "Gradient norms",
    unit: "before clipping",
    names: ["policyGradientNorm", "valueGradientNorm"],
    height: 124,
    isMinor: true,
  },
  { title: "KL coefficient", names: ["beta"], height: 100, isMinor: true },
  {
    title: "Spread of scores",
    unit: "standard deviation",
    names: ["scoreDeviation"],
    height: 100,
    isMinor: true,
  },
  {
    title: "Loss of the text beside",
    unit: "nats per token",
    names: ["textLoss"],
    height: 100,
    isMinor: true,
  },
  {
    title: "Sampler and trainer apart",
    unit: "nats",
    names: ["samplerGap", "samplerGapMax"],
    height: 100,
    isMinor: true,
  },
  { title: "First ratio off 1 by", names: ["firstRatioGap"], height: 100, isMinor: true },
  { title: "Updates left out", names: ["skippedUpdates"], height: 100, isMinor: true },
];
/** What stands for several of PPO's own. */
const summedUp = ["loss", "gradientNorm"];

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
  score: "Training prompts",
  heldOutScore: "Held-out prompts",
  reward: "Reward",
  klK1: "k1",
  klK3: "k3",
  heldOutKl: "Held-out prompts, k3",
  endedShare: "Ended",
  repetition: "Repeated",
  clipFrac: "Policy",
  valueClipFrac: "Value",
  policyGradientNorm: "Policy",
  valueGradientNorm: "Value",
  samplerGap: "Mean",
  samplerGapMax: "Most",
  loss: "Loss",
  validationLoss: "Validation loss",
  pairAccuracy: "Pairs right",
  lr: "Learning rate",
  gradientNorm: "Gradient norm",
  tokensPerSecond: "Tokens per second",
  memoryBytes: "Memory (bytes)",
};
/** Beside its chart's title. */
const lineTitle = (name: string): string =>
  titles[name] ?? (name === `${parts}rewardModel` ? "Reward model" : name.replace(parts, ""));

/** By itself, in a table: of a chart with several lines its title goes first. */
export function columnTitle(
  { title, names }: Pick<ChartDescription, "title" | "names">,
  name: string,
): string {
  if (names.length === 1) return title;
  return title.startsWith(lineTitle(name)) ? lineTitle(name) : `${title}: ${lineTitle(name)}`;
}

/** Those that have a metric, in a fixed order; what else a worker reports comes after them under its own name. */
export function describeCharts(curves: Curves): ChartDescription[] {
  const isPpo = curves.has("klK3");
  const ordered = isPpo ? [...ofPpo, ...known.map((chart) => ({ ...chart, isMinor: true }))] : known;
  const hidden = isPpo ? [...notDrawn, ...summedUp] : notDrawn;
  const charts = ordered.flatMap((chart) => {
    const names = chart.names
      .flatMap((name) => (name === parts ? [...curves.keys()].filter(isPart).sort() : name))
      .filter((name) => curves.has(name) && !hidden.includes(name));
    // A reward model's loss is of prompts, not of tokens.
    const unit = chart.title === "Loss" && curves.has("pairAccuracy") ? "nats per prompt" : chart.unit;
    return names.length > 0 ? [{ ...chart, ...(unit && { unit }), names }] : [];
  });
  const drawn = [...charts.flatMap(({ names }) => names), ...hidden];
  const isElsewhere = (name: string) => isPhaseMetric(name) || isBestOf(name);
  const others = [...curves.keys()].filter((name) => !drawn.includes(name) && !isElsewhere(name)).sort();
  return [...charts, ...others.map((name) => ({ title: name, names: [name], height: 100, isMinor: isPpo }))];
}

const isPart = (name: string) => name.startsWith(parts);

const sparse = ["validationLoss", "pairAccuracy", "heldOutScore", "heldOutKl", "heldOutWin"];
// Whole class names: they are found in this text when the styles are made.
const colors = [
  ...["text-series-1", "text-series-2", "text-series-3"],
  ...["text-series-4", "text-series-5", "text-series-6"],
];
const dashes = [undefined, [6, 4], [2, 3], [10, 4, 2, 4]];

/** Columns and lines; where points were thinned out, lowest and highest are drawn as a band, so that no spike is lost. */
export function drawChart({ names, scale = 1 }: ChartDescription, curves: Curves) {
  const parts = names.flatMap((name, i) => {
    const curve = curves.get(name);
    if (!curve) return [];
    const colorClass = colors[i % colors.length] ?? "text-series-1";
    const dash = dashes[i % dashes.length];
    const isSparse = sparse.includes(name);
    const line: Line = {
      label: lineTitle(name),
      colorClass,
      isSparse,
      ...(dash && { dash }),
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
  return { xs, columns, lines, bands: bandsOf(lines) };
}
