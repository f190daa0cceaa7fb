/** @file Phases: those of the steps and those between them in one stack, thinned points counted whole. */
import { expect, it } from "vitest";
import { describeCharts } from "@/app/(settings)/admin/runs/[runId]/describe-charts";
import { stackHeights, stackPhases } from "@/app/(settings)/admin/runs/[runId]/phase-bars";

const curve = (values: Record<number, number>) => ({
  steps: Object.keys(values).map(Number),
  seconds: Object.keys(values).map(Number),
  means: Object.values(values),
  mins: Object.values(values),
  maxs: Object.values(values),
});
const row = (number: number, step: number | null, name: string, seconds: number) => ({
  number,
  step,
  at: new Date(1_200),
  kind: "phase" as const,
  payload: { name, seconds },
});
const startedAt = new Date(0);

it("stacks what a step took over what was done between steps, each step a bar", () => {
  const curves = new Map([
    ["loss", curve({ 1: 9, 2: 8 })],
    ["updateSeconds", curve({ 1: 0.5, 2: 0.25 })],
    ["gradientSeconds", curve({ 1: 2, 2: 3 })],
  ]);
  const rows = [row(2, 2, "evaluate", 4), row(1, 0, "evaluate", 1)];
  const bars = stackPhases({
    ...{ curves, rows, startedAt, lastStep: 2, stepsPerPoint: 1, range: { min: 0, max: 2 } },
  });
  expect(bars?.xs).toEqual([0, 1, 2]);
  expect(bars?.phases).toMatchObject([
    { name: "gradient", secondsPerStep: [0, 2, 3], totalSeconds: 5 },
    { name: "update", secondsPerStep: [0, 0.5, 0.25], totalSeconds: 0.75 },
    { name: "evaluate", secondsPerStep: [1, 0, 4], totalSeconds: 5 },
  ]);
  // Drawn one over the other, the whole stack first.
  expect(stackHeights(bars?.phases ?? [])).toEqual([
    [1, 2.5, 7.25],
    [0, 2.5, 3.25],
    [0, 2, 3],
  ]);
  // Phases are in the strip, and need no charts of their own.
  expect(describeCharts(curves).map(({ title }) => title)).toEqual(["Loss"]);
});

it("counts a thinned point for all of its steps, and a bar for those it has", () => {
  // Points of ten steps, 0-9 without the step 0, 10-19, and three steps told since.
  const gradient = curve({ 9: 1, 19: 2, 20: 3, 21: 3, 22: 3 });
  const curves = new Map([["gradientSeconds", gradient]]);
  const common = { curves, rows: [], startedAt, lastStep: 22, stepsPerPoint: 10 };
  const bars = stackPhases({ ...common, range: { min: 0, max: 22 } });
  expect(bars).toMatchObject({ xs: [4.5, 14.5, 24.5], stepsPerBar: 10 });
  expect(bars?.phases).toMatchObject([{ secondsPerStep: [1, 2, 3], totalSeconds: 38 }]);
  const wide = stackPhases({ ...common, range: { min: 0, max: 1200 } });
  expect(wide).toMatchObject({ stepsPerBar: 20, phases: [{ totalSeconds: 38 }] });
});

it("puts a phase without a step where its time is, and draws nothing where nothing was told", () => {
  const curves = new Map([["loss", curve({ 1: 9, 2: 8 })]]);
  const common = { curves, startedAt, lastStep: 2, stepsPerPoint: 1, range: { min: 0, max: 2 } };
  const loaded = stackPhases({ ...common, rows: [row(1, null, "load", 7)] });
  expect(loaded?.phases).toMatchObject([{ name: "load", secondsPerStep: [0, 7, 0] }]);
  expect(stackPhases({ ...common, rows: [] })).toBeNull();
});
