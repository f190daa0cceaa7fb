/** @file A ranking against its own ratings. */
import { expect, test } from "vitest";
import { findContradictions } from "@/app/label/_console/find-contradictions";

const ratings = (values: Record<string, number | null>) =>
  Object.fromEntries(Object.entries(values).map(([id, overall]) => [id, { overall }]));

test("one placed above another that was rated higher is named, the widest first", () => {
  const found = findContradictions([["a"], ["b"], ["c"]], ratings({ a: 3, b: 4, c: 7 }));
  expect(found.map(({ aboveId, belowId }) => aboveId + belowId)).toEqual(["ac", "bc", "ab"]);
  expect(found[0]).toMatchObject({ aboveOverall: 3, belowOverall: 7 });
});

test("ties, equal ratings and unrated responses contradict nothing", () => {
  expect(findContradictions([["a", "b"], ["c"]], ratings({ a: 2, b: 7, c: 2 }))).toEqual([]);
  expect(findContradictions([["a"], ["b"]], ratings({ a: null, b: 7 }))).toEqual([]);
  expect(findContradictions([["a"], ["b"]], {})).toEqual([]);
});
