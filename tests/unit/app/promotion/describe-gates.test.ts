/** @file Gates in words: they all hold only where none is set aside or off; what was kept with a decision can be read. */
import { expect, it } from "vitest";
import { describeGates, describeKept } from "@/app/(settings)/admin/promotion/describe-gates";

const gates = (...outcomes: ("failed" | "overridden" | "passed" | "off")[]) =>
  outcomes.map((outcome) => ({ outcome }));

it.each([
  [gates("passed", "passed"), "All gates hold."],
  [gates("failed", "passed"), "1 gate does not hold."],
  [gates("failed", "failed", "overridden"), "2 gates do not hold."],
  [gates("overridden", "passed", "off"), "No gate stands in the way: 1 holds, 1 set aside, 1 off."],
  [gates("passed", "passed", "off"), "No gate stands in the way: 2 hold, 1 off."],
])("%j", (judged, words) => {
  expect(describeGates(judged)).toBe(words);
});

it("a decision is told by its gates, a return by what was watched, and neither by nothing", () => {
  const override = { reason: "too early", actorId: "a", at: new Date(0) };
  const kept = [
    { title: "Tax", outcome: "overridden", says: "not measured", override },
    { title: "Parity", outcome: "off", says: "not measured", override: null },
  ];
  expect(describeKept({ gates: kept })).toEqual(["Tax set aside: not measured (too early)"]);
  expect(describeKept({ findings: [{ says: "thumbs down 60 of 100" }] })).toEqual(["thumbs down 60 of 100"]);
  expect(describeKept(null)).toEqual([]);
});
