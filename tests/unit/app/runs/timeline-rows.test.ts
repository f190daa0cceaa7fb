/** @file Rows of a timeline: merged once each, placed on the axis, samples beside what was said before. */
import { expect, it } from "vitest";
import { mergeRows, placeRow, samplesAt } from "@/app/(settings)/admin/runs/[runId]/timeline-rows";

it("merges what was read and what was told, each once, newest first", () => {
  expect(mergeRows([{ number: 3 }, { number: 1 }], [{ number: 3 }, { number: 5 }])).toEqual([
    { number: 5 },
    { number: 3 },
    { number: 1 },
  ]);
});

it("places what has no step by its time", () => {
  const loss = { steps: [1, 2, 3], seconds: [10, 20, null], means: [], mins: [], maxs: [] };
  const startedAt = new Date(1_000_000);
  const at = (seconds: number) => new Date(1_000_000 + seconds * 1000);
  expect(placeRow({ step: 7, at: at(0) }, loss, startedAt)).toBe(7);
  expect(placeRow({ step: null, at: at(18) }, loss, startedAt)).toBe(2);
  expect(placeRow({ step: null, at: at(18) }, undefined, startedAt)).toBeNull();
});

const sample = (number: number, step: number, prompt: string) => ({
  number,
  step,
  at: new Date(0),
  kind: "sample" as const,
  payload: { prompt, response: `${prompt} at ${step}`, source: null },
});
const erased = { ...sample(9, 20, ""), payload: { erased: true as const } };
const rows = [
  erased,
  sample(6, 20, "b"),
  sample(5, 20, "a"),
  sample(4, 10, "b"),
  sample(3, 10, "a"),
  sample(1, 0, "a"),
];

it("shows the samples at or before a step, each beside the first of its prompt", () => {
  const newest = samplesAt(rows, null);
  expect(newest.at).toBe(20);
  expect(newest.erased).toBe(1);
  expect(newest.pairs.map(({ prompt, before, then }) => [prompt, before?.step, then.step])).toEqual([
    ["a", 0, 20],
    ["b", 10, 20],
  ]);
  expect(samplesAt(rows, 15).at).toBe(10);
  expect(samplesAt(rows, 0).pairs).toMatchObject([{ prompt: "a", before: null }]);
  expect(samplesAt(rows.slice(0, 5), 5)).toMatchObject({ at: null, pairs: [] });
});
