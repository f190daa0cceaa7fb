/** @file Uploads cut at line ends, bad lines renumbered, rows as turns, checkpoints as a family. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { formatDuration, formatMetric } from "@/app/_lib/format";
import { cutLines, renumberLines } from "@/app/(settings)/admin/datasets/_upload/cut-lines";
import { readTurns } from "@/app/(settings)/admin/datasets/[datasetId]/read-turns";
import { orderByLineage } from "@/app/(settings)/admin/models/lineage";

async function* pieces(texts: readonly string[]) {
  yield* texts;
}

async function cut(texts: readonly string[], maxCharacters: number) {
  const parts = [];
  for await (const part of cutLines(pieces(texts), maxCharacters)) parts.push(part);
  return parts;
}

it("cuts any text at line ends, loses nothing, and knows each part's first line", async () => {
  const text = fc.array(fc.constantFrom("a", "bb", "\n", "\n\n", "ccc\n"), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 12 }), async (texts, max) => {
      const parts = await cut(texts, max);
      const whole = texts.join("");
      expect(parts.map((part) => part.text).join("")).toBe(whole);
      let before = "";
      for (const { text: part, firstLine } of parts) {
        expect(firstLine).toBe(before.split("\n").length);
        expect(before === "" || before.endsWith("\n")).toBe(true);
        // Longer than allowed only where it is a single line.
        if (part.length > max) expect(part.slice(0, -1)).not.toContain("\n");
        before += part;
      }
    }),
  );
});

it("names lines as they are numbered in the file", () => {
  expect(
    renumberLines("2 lines of part 3 are unfit:\nline 1 is empty\nline 12 has no prompt", 100, "a.jsonl"),
  ).toBe("2 lines of a.jsonl are unfit:\nline 100 is empty\nline 111 has no prompt");
});

it("reads rows of every form as turns, and shows what it does not know", () => {
  expect(readTurns('{"prompt":"a","response":"b"}')).toEqual([
    { who: "prompt", text: "a" },
    { who: "response", text: "b" },
  ]);
  expect(readTurns('{"messages":[{"role":"user","content":"a"}]}')).toEqual([{ who: "user", text: "a" }]);
  expect(readTurns('{"text":"a"}')).toEqual([{ who: "", text: "a" }]);
  expect(readTurns("[1]")).toEqual([{ who: "", text: "[1]" }]);
  expect(readTurns("no json")).toEqual([{ who: "", text: "no json" }]);
});

it("orders checkpoints under their parents; one whose parent is gone stands at the top", () => {
  const family = [
    { id: "grandchild", parentId: "child" },
    { id: "orphan", parentId: "gone" },
    { id: "child", parentId: "root" },
    { id: "root", parentId: null },
  ];
  expect(orderByLineage(family).map(({ checkpoint, depth }) => `${depth} ${checkpoint.id}`)).toEqual([
    "0 orphan",
    "0 root",
    "1 child",
    "2 grandchild",
  ]);
});

it("says spans of time and metrics as people read them", () => {
  expect([0.2, 42, 600, 4210, 7200, 90_000].map(formatDuration)).toEqual([
    "under 1 s",
    "42 s",
    "10 min",
    "1 h 10 min",
    "2 h",
    "1 d 1 h",
  ]);
  expect([0, 1.23456, 0.0002, 123_456.7, null].map(formatMetric)).toEqual([
    "0",
    "1.235",
    "2e-4",
    "123,457",
    "–",
  ]);
});
