/** @file What a judge elsewhere may answer: one of four words, and nothing else. */
import { describe, expect, test } from "vitest";
import { readVerdict } from "@/server/domain/evaluation/endpoint-judge";

describe("a verdict", () => {
  test.each([
    ["A", "a"],
    [" b.\n", "b"],
    ["Tie", "tie"],
    ["both bad", "bothBad"],
    ["", null],
    ["A.B", null],
    ["Answer A", null],
    ["a tie", null],
    ["constructor", null],
  ])("%j is %j", (answer, verdict) => {
    expect(readVerdict(answer)).toBe(verdict);
  });
});
