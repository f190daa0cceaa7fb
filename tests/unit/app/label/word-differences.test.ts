/** @file Spans of words that only one of two texts has. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { wordDifferences } from "@/app/label/_console/word-differences";

const cut = (text: string, spans: { start: number; end: number }[]) =>
  spans.map(({ start, end }) => text.slice(start, end).trim());

test("changed, added and missing words are found in either text", () => {
  const [left, right] = ["The quick brown fox jumps.", "The slow brown fox jumps high."];
  const found = wordDifferences(left, right);
  expect(cut(left, found?.left ?? [])).toEqual(["quick"]);
  expect(cut(right, found?.right ?? [])).toEqual(["slow", "high"]);
  expect(found?.likeness).toBeGreaterThan(0.5);
});

test("the same text has no difference", () => {
  expect(wordDifferences("One two.", "One two.")).toEqual({ left: [], right: [], likeness: 1 });
});

test("texts with next to nothing in common give up instead of taking long", () => {
  const text = (word: string) => Array.from({ length: 4_000 }, (_, i) => `${word}${i}`).join(" ");
  const began = performance.now();
  expect(wordDifferences(text("a"), text("b"))).toBeNull();
  expect(performance.now() - began).toBeLessThan(2_000);
});

test("what the spans leave out is the same in both", () => {
  const text = fc
    .array(fc.constantFrom("a", "bb", "ccc", "d", "e"), { maxLength: 30 })
    .map((w) => w.join(" "));
  fc.assert(
    fc.property(text, text, (left, right) => {
      const found = wordDifferences(left, right);
      const rest = (whole: string, spans: { start: number; end: number }[]) =>
        spans
          .toReversed()
          .reduce((kept, { start, end }) => kept.slice(0, start) + kept.slice(end), whole)
          .replace(/\s/g, "");
      expect(rest(left, found?.left ?? [])).toBe(rest(right, found?.right ?? []));
    }),
  );
});
