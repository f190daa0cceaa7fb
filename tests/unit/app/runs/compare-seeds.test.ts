/** @file Seeds of one configuration on the page that compares runs: one line, their median, and a band. */
import { describe, expect, it } from "vitest";
import type { Curve } from "@/app/(settings)/admin/runs/_charts/curve-data";
import { groupRuns, overlay } from "@/app/(settings)/admin/runs/compare/overlay";

function curve(values: Record<number, number | null>): Curve {
  const [steps, means] = [Object.keys(values).map(Number), Object.values(values)];
  return { steps, means, mins: means, maxs: means, seconds: steps.map((step) => 3600 * step) };
}
const ofScore = (values: Record<number, number | null>) =>
  new Map([
    ["score", curve(values)],
    ["klK3", curve({ 1: 0 })],
    ["loss", curve({ 1: 9 })],
  ]);

const runs = [
  { id: "a", number: 4, name: "Longer, seed 1", seedsOfId: "a" },
  { id: "b", number: 5, name: "Longer, seed 2", seedsOfId: "a" },
  { id: "c", number: 6, name: "Longer, seed 3", seedsOfId: "a" },
  { id: "d", number: 9, name: "Shorter", seedsOfId: null },
];

it("are one group with a name that says what is drawn, unless each is asked for by itself", () => {
  expect(groupRuns(runs, true)).toEqual([
    { label: "Longer: median of 3 seeds, band from lowest to highest", runIds: ["a", "b", "c"] },
    { label: "9 Shorter", runIds: ["d"] },
  ]);
  expect(groupRuns(runs, false).map(({ label }) => label)).toEqual([
    "4 Longer, seed 1",
    "5 Longer, seed 2",
    "6 Longer, seed 3",
    "9 Shorter",
  ]);
  // One of them alone is a run like any other.
  expect(groupRuns(runs.slice(2), true)[0]?.label).toBe("6 Longer, seed 3");
});

describe("drawn together", () => {
  const members = [ofScore({ 1: 1, 2: 5 }), ofScore({ 1: 3, 2: null }), ofScore({ 1: 8, 2: 7, 3: 4 })];
  const draw = (axis: "step" | "time") => {
    const chart = overlay(
      [
        { label: "Seeds", members },
        { label: "One", members: [ofScore({ 1: 0 })] },
      ],
      axis,
    );
    return chart.find(({ title }) => title === "Score of training prompts");
  };

  it("have median, highest and lowest of those that have come so far", () => {
    const chart = draw("step");
    expect(chart?.xs).toEqual([1, 2, 3]);
    expect(chart?.columns).toEqual([
      [3, 6, 4],
      [8, 7, 4],
      [1, 5, 4],
      [0, null, null],
    ]);
    expect(chart?.bands).toEqual([[1, 2]]);
    expect(chart?.lines.map(({ label, isBandEdge }) => [label, isBandEdge])).toEqual([
      ["Seeds", undefined],
      ["Seeds: highest", true],
      ["Seeds: lowest", true],
      ["One", undefined],
    ]);
    // One group, one style; the next one has another.
    const [first, edge, , other] = chart?.lines ?? [];
    expect(edge?.colorClass).toBe(first?.colorClass);
    expect(other?.colorClass).not.toBe(first?.colorClass);
  });

  it("lie at their own hours by time, and show nothing that sums up PPO's losses", () => {
    expect(draw("time")?.xs).toEqual([1, 2, 3]);
    const titles = overlay([{ label: "Seeds", members }], "step").map(({ title }) => title);
    expect(titles).not.toContain("Loss");
  });
});
