/** @file Curves: what was read and what came since, several lines over one axis, the crosshair's place. */
import { describe, expect, it } from "vitest";
import {
  alignLines,
  mergeCurves,
  nearestIndex,
  placeOn,
  spread,
  type Values,
  valueAt,
} from "@/app/(settings)/admin/runs/_charts/curve-data";
import { describeCharts, drawChart } from "@/app/(settings)/admin/runs/[runId]/describe-charts";
import { overlay } from "@/app/(settings)/admin/runs/compare/overlay";
import { estimateSecondsLeft } from "@/app/(settings)/admin/runs/seconds-left";

const series = (name: string, values: Record<number, number | null>) => ({
  name,
  steps: Object.keys(values).map(Number),
  seconds: Object.keys(values).map((step) => Number(step) * 3600),
  means: Object.values(values),
  mins: Object.values(values),
  maxs: Object.values(values),
});
const read = (stepsPerPoint: number, ...all: ReturnType<typeof series>[]) => ({
  runId: "r",
  number: 1,
  startedAt: new Date(0),
  lastStep: Math.max(...all.flatMap(({ steps }) => steps)),
  stepsPerPoint,
  series: all,
});

describe("merging", () => {
  it("puts what came since in order, and replaces a step that was computed again", () => {
    const fresh = new Map<number, Values>([
      [4, { loss: 1 }],
      [2, { loss: 2.5 }],
      [3, { loss: 2, validationLoss: 1.9 }],
    ]);
    const { curves, isStale } = mergeCurves(read(1, series("loss", { 1: 3, 2: 9 })), fresh);
    expect(curves.get("loss")).toMatchObject({ steps: [1, 2, 3, 4], means: [3, 2.5, 2, 1] });
    expect(curves.get("validationLoss")).toMatchObject({ steps: [3], means: [1.9] });
    expect(isStale).toBe(false);
  });

  it("says that it is stale where a step inside a thinned point was computed again", () => {
    const { curves, isStale } = mergeCurves(
      read(10, series("loss", { 9: 3, 19: 2 })),
      new Map([
        [15, { loss: 99 }],
        [20, { loss: 1 }],
      ]),
    );
    expect(isStale).toBe(true);
    expect(curves.get("loss")).toMatchObject({ steps: [9, 19, 20], means: [3, 2, 1] });
  });

  it("changes nothing of what was read", () => {
    const before = read(1, series("loss", { 1: 3 }));
    mergeCurves(before, new Map([[1, { loss: 7 }]]));
    expect(before.series[0]?.means).toEqual([3]);
  });
});

it("aligns lines over the union of their places, with gaps", () => {
  expect(
    alignLines([
      { xs: [1, 3], ys: [10, 30] },
      { xs: [2, 3], ys: [20, null] },
    ]),
  ).toEqual({
    xs: [1, 2, 3],
    columns: [
      [10, null, 30],
      [null, 20, null],
    ],
  });
});

it("places a curve by step, hours, or millions of tokens seen by then", () => {
  const { curves } = mergeCurves(
    read(1, series("validationLoss", { 0: 4, 2: 3, 3: 2 }), series("tokensSeen", { 1: 1e6, 2: 2e6 })),
    new Map([[5, { validationLoss: 1 }]]),
  );
  const curve = curves.get("validationLoss");
  if (!curve) throw new Error("The curve is missing.");
  const tokens = curves.get("tokensSeen");
  expect(placeOn("step", curve, tokens)).toMatchObject({ xs: [0, 2, 3, 5], ys: [4, 3, 2, 1] });
  // When step 5 was is not known yet.
  expect(placeOn("time", curve, tokens)).toMatchObject({ xs: [0, 2, 3], ys: [4, 3, 2] });
  expect(placeOn("tokens", curve, tokens)).toMatchObject({ xs: [0, 2, 2, 2], ys: [4, 3, 2, 1] });
  expect(placeOn("tokens", curve, undefined).xs).toEqual([]);
});

it("finds the nearest place, and the newest value at it", () => {
  expect([-5, 1.4, 1.6, 99].map((x) => nearestIndex([1, 2, 10], x))).toEqual([0, 0, 1, 2]);
  expect(nearestIndex([], 3)).toBe(-1);
  expect(valueAt([1, null, null, 4], 2)).toBe(1);
  expect(valueAt([null, 2], 0)).toBeNull();
});

it("spreads rows evenly, first and last among them", () => {
  expect(spread(3, 10)).toEqual([0, 1, 2]);
  expect(spread(101, 5)).toEqual([0, 25, 50, 75, 100]);
});

it("draws lowest and highest as a band where points were thinned out", () => {
  const loss = { ...series("loss", { 9: 2, 19: 1 }), mins: [1.5, 0.5], maxs: [8, 1.2] };
  const { curves } = mergeCurves(
    read(10, loss, series("validationLoss", { 9: 2 }), series("own", { 9: 1 })),
    new Map(),
  );
  const charts = describeCharts(curves);
  expect(charts.map(({ title }) => title)).toEqual(["Loss", "own"]);
  const [first] = charts;
  if (!first) throw new Error("The chart is missing.");
  const { lines, bands, columns } = drawChart(first, curves);
  expect(lines.map(({ isBandEdge }) => isBandEdge ?? false)).toEqual([false, true, true, false]);
  expect(bands).toEqual([[1, 2]]);
  expect(columns[1]).toEqual([8, 1.2]);
});

it("draws memory in megabytes, and tells the time left by tokens and speed", () => {
  const { curves } = mergeCurves(read(1, series("memoryBytes", { 1: 812e6 })), new Map());
  const [chart] = describeCharts(curves);
  expect(chart && drawChart(chart, curves).columns).toEqual([[812]]);
  const values = { tokensSeen: 1000, tokensPerSecond: 50 };
  // 30 steps to come of 100 tokens each.
  expect(estimateSecondsLeft({ step: 10, values }, 40)).toBe(60);
  expect(estimateSecondsLeft({ step: 10, values: { tokensPerSecond: 50 } }, 40)).toBeNull();
});

it("lays runs over each other, and leaves out charts that none has", () => {
  const one = mergeCurves(read(1, series("loss", { 1: 3 })), new Map()).curves;
  const charts = overlay(
    [
      { label: "a", members: [one] },
      { label: "b", members: [new Map()] },
    ],
    "step",
  );
  expect(charts.map(({ title }) => title)).toEqual(["Loss"]);
  expect(charts[0]?.columns).toEqual([[3], [null]]);
  expect(charts[0]?.lines[0]?.colorClass).not.toBe(charts[0]?.lines[1]?.colorClass);
});
