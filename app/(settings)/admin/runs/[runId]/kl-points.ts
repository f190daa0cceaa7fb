/** @file Points of score against √KL, and where they lie in a drawing. Knows no SVG. */
import type { Curve, Curves } from "../_charts/curve-data";

export type KlPoint = { step: number; root: number; score: number };
/** Of the best of n responses. */
export type BestOfPoint = { n: number; root: number; score: number };
type Point = { root: number; score: number };
export type Placed<P extends Point = KlPoint> = P & { x: number; y: number };

/** Of the steps that have both, in order. An estimate of KL may lie below 0, where there is no root. */
export function pointsOf(kl: Curve | undefined, score: Curve | undefined): KlPoint[] {
  if (!kl || !score) return [];
  const scores = new Map(score.steps.map((step, i) => [step, score.means[i] ?? null]));
  return kl.steps.flatMap((step, i) => {
    const [nats, of] = [kl.means[i] ?? null, scores.get(step) ?? null];
    return nats === null || of === null ? [] : [{ step, root: Math.sqrt(Math.max(0, nats)), score: of }];
  });
}

const bestOfMetric = /^bestOf(\d+)$/;
export const isBestOf = (name: string): boolean => bestOfMetric.test(name);

/** As the first evaluation told them; at log n - (n - 1) / n nats, which is the most it can be. */
export function bestOfPoints(curves: Curves): BestOfPoint[] {
  const points = [...curves].flatMap(([name, { means }]) => {
    const n = Number(bestOfMetric.exec(name)?.[1]);
    const score = means.find((mean) => mean !== null) ?? null;
    return Number.isNaN(n) || score === null ? [] : { n, root: Math.sqrt(Math.log(n) - (n - 1) / n), score };
  });
  return points.toSorted((a, b) => a.n - b.n);
}

type Space = {
  width: number;
  height: number;
  edge: { left: number; right: number; top: number; bottom: number };
};

/** @param all points that are to be in the drawing */
export function placePath(all: readonly Point[], { width, height, edge }: Space) {
  const roots = spreadOf([0, ...all.map(({ root }) => root)]);
  const scores = spreadOf(all.map(({ score }) => score));
  const [wide, high] = [width - edge.left - edge.right, height - edge.top - edge.bottom];
  const toX = (root: number) => edge.left + (wide * (root - roots.min)) / (roots.max - roots.min);
  const toY = (score: number) => edge.top + high * (1 - (score - scores.min) / (scores.max - scores.min));
  return {
    place: <P extends Point>(points: readonly P[]): Placed<P>[] =>
      points.map((point) => ({ ...point, x: toX(point.root), y: toY(point.score) })),
    xTicks: ticksOf(roots).map((value) => ({ value, at: toX(value) })),
    yTicks: ticksOf(scores).map((value) => ({ value, at: toY(value) })),
  };
}

type Spread = { min: number; max: number };

/** With room around, and never of no width. */
function spreadOf(values: readonly number[]): Spread {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const room = max > min ? (max - min) * 0.06 : 0.5;
  return { min: min === 0 ? 0 : min - room, max: max + room };
}

/** Three to six round numbers inside. */
function ticksOf({ min, max }: Spread): number[] {
  const rough = (max - min) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? rough;
  const first = Math.ceil(min / step);
  const count = Math.floor(max / step) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}
