/** @file Which tokens are said to move a score. */
import { expect, test } from "vitest";
import { tokenChanges } from "@/app/(settings)/admin/reward-models/[checkpointId]/token-changes";

const tokens = (...scores: number[]) => scores.map((score, at) => ({ text: `t${at}`, score }));

test("a change is the score less the one before, and none for the first token", () => {
  expect(tokenChanges(tokens(2, 5, 4)).map(({ change }) => change)).toEqual([0, 3, -1]);
});

test("one in ten is named, by size and not by sign", () => {
  const changes = tokenChanges(
    tokens(...Array.from({ length: 20 }, (_, at) => (at < 5 ? 0 : at < 11 ? -9 : 1))),
  );
  expect(changes.flatMap(({ text, isLarge }) => (isLarge ? [text] : []))).toEqual(["t5", "t11"]);
});

test("where nothing changes nothing is named", () => {
  expect(tokenChanges(tokens(1, 1, 1)).some(({ isLarge }) => isLarge)).toBe(false);
  expect(tokenChanges([])).toEqual([]);
});
