/** @file What the agreement page makes of figures: words, places on the scale, the pair people are most divided over. */
import { expect, it } from "vitest";
import { placeOn, scaleOf } from "@/app/_components/forest-scale";
import { describeShare } from "@/app/_lib/describe-share";
import { noFilters, questionOf } from "@/app/(settings)/admin/agreement/agreement-filters";
import { describeCounts, describeInterval } from "@/app/(settings)/admin/agreement/describe-figure";
import { mostDisputedPair } from "@/app/(settings)/admin/agreement/most-disputed";

const figure = {
  share: 0.7264,
  low: 0.701,
  high: 0.75,
  unit: "labelers" as const,
  units: 12,
  pairs: 1234,
  leftOut: 1,
  tasks: 40,
  labelers: 12,
  tauB: 0.4,
  meetings: 60,
};

it("says a share with its interval, its n, and what the interval is over", () => {
  expect(describeShare(figure)).toBe("72.6 % [70.1, 75.0]");
  expect(describeCounts(figure)).toBe("1,234 pairs (1 tied pair left out), 40 tasks, 12 labelers");
  expect(describeInterval(figure)).toBe("95 % interval over 12 labelers");
  const few = { ...figure, low: null, high: null, unit: "tasks" as const, units: 1 };
  expect(describeShare(few)).toBe("72.6 %");
  expect(describeInterval(few)).toBe("no interval from 1 task only");
});

it("begins the scale at chance, or below what lies lowest", () => {
  expect(scaleOf([figure])).toEqual({ from: 0.5, to: 1, ticks: [0.5, 0.6, 0.7, 0.8, 0.9, 1] });
  expect(scaleOf([{ share: 0.5, low: 0.27, high: 0.8 }])).toEqual({
    from: 0.2,
    to: 1,
    ticks: [0.2, 0.4, 0.6, 0.8, 1],
  });
  expect(scaleOf([{ share: 0.3, low: null, high: null }]).from).toBe(0.3);
  expect(placeOn(scaleOf([figure]), 0.75)).toBe("50.00%");
});

it("finds the two responses that people are most divided over", () => {
  const ids = ["a", "b", "c"];
  const said = [
    { a: 1, b: 2, c: 3 },
    { a: 1, b: 3, c: 2 },
    { a: 1, b: 2, c: 2 },
  ];
  expect(mostDisputedPair(ids, said)).toEqual(["b", "c"]);
  expect(mostDisputedPair(["a"], said)).toBeNull();
});

it("asks for whole days, the last one included", () => {
  expect(questionOf(noFilters)).toEqual({ tieRule: "leaveOut", filter: {} });
  const filters = { ...noFilters, guidelinesVersion: "2", firstDay: "2026-03-02", lastDay: "2026-03-08" };
  expect(questionOf(filters).filter).toEqual({
    guidelinesVersion: 2,
    from: new Date("2026-03-02T00:00:00Z"),
    before: new Date("2026-03-09T00:00:00Z"),
  });
});
