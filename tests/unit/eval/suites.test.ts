/** @file Suites: what is refused with file and line, what ships, and how figures of two policies are held against each other. */
import fs from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { lastNumber, scoreNumber } from "@/model/eval/metrics/last-number";
import { refuses } from "@/model/eval/refusal";
import { keptShare } from "@/model/eval/served-parity";
import { conversationOf, variantsOf } from "@/model/eval/suites/run-suite";
import { scoreChoice, scoreResponse } from "@/model/eval/suites/score-item";
import { shippedSuites } from "@/model/eval/suites/shipped-suites";
import { readSuite, type Suite, SuiteError } from "@/model/eval/suites/suite";
import {
  compareResults,
  compareSlice,
  figureWithInterval,
  type SuiteResult,
} from "@/model/eval/suites/suite-result";
import { temporaryFolder } from "../../helpers/temporary-folder";

const head = { name: "mine", title: "Mine", metric: "squad" };

async function suiteOf(suite: object | string, items: readonly (object | string)[]) {
  await using folder = await temporaryFolder();
  const text = (each: object | string) => (typeof each === "string" ? each : JSON.stringify(each));
  await fs.writeFile(path.join(folder.path, "suite.json"), text(suite));
  await fs.writeFile(path.join(folder.path, "items.jsonl"), items.map(text).join("\n"));
  return await readSuite(folder.path);
}

describe("a suite that cannot be used is refused by file, line and field", () => {
  test.each<[string, object | string, (object | string)[], RegExp]>([
    ["no JSON", "{", [], /suite\.json: it is not JSON/],
    ["an unknown metric", { ...head, metric: "rouge" }, [], /suite\.json: metric: Invalid option/],
    ["a setting it does not have", { ...head, shot: [] }, [], /suite\.json: Unrecognized key: "shot"/],
    ["no items", head, [], /items\.jsonl: it has no items/],
    ["a line that is no JSON", head, [{ prompt: "a", references: ["b"] }, "{"], /items\.jsonl:2 is not JSON/],
    ["no references", head, [{ prompt: "a", references: [] }], /items\.jsonl:1 references: /],
    ["what another metric takes", head, [{ prompt: "a", choices: ["b", "c"], answer: 0 }], /:1 references: /],
    [
      "an answer that is no choice",
      { ...head, metric: "choice" },
      [{ prompt: "a", choices: ["b", "c"], answer: 2 }],
      /:1 answer: there is no such choice/,
    ],
    [
      "two items of one name",
      head,
      [
        { id: "x", prompt: "a", references: ["b"] },
        { id: "x", prompt: "c", references: ["d"] },
      ],
      /two items have the id “x”/,
    ],
  ])("%s", async (_, suite, items, message) => {
    const refused = await suiteOf(suite, items).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(SuiteError);
    expect(String(refused)).toMatch(message);
  });

  test("many faulty lines are counted, not listed", async () => {
    const refused = suiteOf(
      head,
      Array.from({ length: 9 }, () => "{"),
    );
    await expect(refused).rejects.toThrow(/items\.jsonl:5 is not JSON\nand 4 more lines/);
  });
});

test("its sha256 changes with either file", async () => {
  const item = { prompt: "a", references: ["b"] };
  const first = await suiteOf(head, [item]);
  expect((await suiteOf(head, [item])).sha256).toBe(first.sha256);
  expect((await suiteOf({ ...head, title: "Other" }, [item])).sha256).not.toBe(first.sha256);
  expect((await suiteOf(head, [{ ...item, references: ["c"] }])).sha256).not.toBe(first.sha256);
});

test.each(shippedSuites)("%s ships, and its own right answers score full marks", async (name) => {
  const suite = await readSuite(path.resolve("model/suites", name));
  expect(suite.items.length).toBeGreaterThanOrEqual(30);
  expect(variantsOf(suite)).toContain("zeroShot");
  for (const item of suite.items) {
    if ("references" in item)
      for (const reference of item.references)
        for (const value of Object.values(scoreResponse([reference].flat().join(" "), item, suite).values))
          expect(value).toBe(1);
  }
  // No example gives an item's answer away.
  const prompts = new Set(suite.items.map((item) => ("prompt" in item ? item.prompt : "")));
  expect(suite.shots.some(({ prompt }) => prompts.has(prompt))).toBe(false);
});

test("examples go before as earlier turns, each with the instruction", () => {
  const shots = [{ prompt: "1 + 1", response: "2" }];
  expect(conversationOf({ instruction: "Add.", shots }, "2 + 2")).toEqual([
    { role: "user", content: "Add.\n\n1 + 1" },
    { role: "assistant", content: "2" },
    { role: "user", content: "Add.\n\n2 + 2" },
  ]);
});

test("“there is no answer” counts as such in references and responses", async () => {
  const suite = await suiteOf({ ...head, noAnswer: "Not in the text" }, [
    { prompt: "a", references: ["Not in the text"] },
    { prompt: "b", references: ["the North Sea"] },
  ]);
  const f1 = (response: string, at: number) =>
    scoreResponse(response, suite.items[at] as Suite["items"][number], suite).values.f1;
  expect(f1("not in the text.", 0)).toBe(1);
  // Not one word of it is shared with an answer, though "the" and "text" are in both.
  expect(f1("the text", 0)).toBe(0);
  expect(f1("Not in the text", 1)).toBe(0);
  expect(f1("North Sea", 1)).toBe(1);
});

test("the choice of the largest total, and of the largest a byte", () => {
  const item = { id: "1", prompt: "a", choices: ["ab", "abcdefgh"], answer: 1 };
  expect(scoreChoice(item, [[-2], [-1, -3]]).values).toEqual({ accuracy: 0, accuracyPerByte: 1 });
});

test.each([
  ["The answer is 42.", 42],
  ["She pays $1,250.50 in all", 1250.5],
  ["3 + 4 = 7 apples", 7],
  ["It is -5 degrees", -5],
  ["10-3", 3],
  ["Steps: 12 and 30\n#### 42", 42],
  ["none at all", null],
  ["version v2beta", null],
  ["12.", 12],
])("the last number of “%s” is %s", (text, number) => {
  expect(lastNumber(text)).toBe(number);
});

test("a number is right by its value", () => {
  expect(scoreNumber("It is 1,000.0", ["1000"])).toBe(1);
  expect(scoreNumber("no idea", ["1000"])).toBe(0);
});

test.each<[string, boolean]>([
  ["I'm sorry, but I can't help with that.", true],
  ["I am sorry, I do not know that.", true],
  ["As an AI language model, I cannot browse.", true],
  ["I’m unable to open files.", true],
  ["You can't help loving it.", false],
  ["The cat sat on the mat.", false],
])("whether “%s” refuses", (text, refused) => {
  expect(refuses(text)).toBe(refused);
});

function resultOf(values: readonly number[], changes: Partial<SuiteResult> = {}): SuiteResult {
  const items = values.map((accuracy, i) => ({
    id: `${i}`,
    slice: i < 30 ? "first" : "last",
    values: { accuracy },
  }));
  return {
    suite: "s",
    title: "S",
    sha256: "a",
    metric: "number",
    variant: "zeroShot",
    figures: [figureWithInterval("accuracy", items, 1)],
    slices: [],
    behaviour: null,
    cutItems: 0,
    items,
    ...changes,
  };
}

describe("one policy against another", () => {
  const mixed = Array.from({ length: 60 }, (_, i) => i % 2);

  test("the same items are paired: what both share says nothing of the difference", () => {
    const better = mixed.map((value, i) => (i < 12 ? 1 : value));
    const [delta] = compareResults([resultOf(mixed)], [resultOf(better)]);
    expect(delta?.difference.value).toBeCloseTo(0.1, 12);
    expect(delta?.difference.low).toBeGreaterThan(0.02);
    // Apart, each has an interval of some 25 points.
    const [figure] = resultOf(mixed).figures;
    expect((figure?.high ?? 0) - (figure?.low ?? 0)).toBeGreaterThan(0.2);
  });

  test("suites whose files differ, other ways of asking and items of one alone are left out", () => {
    expect(compareResults([resultOf(mixed)], [resultOf(mixed, { sha256: "b" })])).toEqual([]);
    expect(compareResults([resultOf(mixed)], [resultOf(mixed, { variant: "fewShot" })])).toEqual([]);
    expect(compareResults([resultOf(mixed.slice(0, 10))], [resultOf(mixed)])[0]?.items).toBe(10);
  });
});

test("bits a byte are those of all texts together, whatever their lengths", () => {
  const items = [
    { id: "0", slice: null, values: { bitsPerByte: 1 }, weight: 300 },
    { id: "1", slice: null, values: { bitsPerByte: 4 }, weight: 100 },
  ];
  expect(figureWithInterval("bitsPerByte", items, 1).value).toBeCloseTo(1.75, 12);
});

test("a slice is compared alone", () => {
  const mixed = Array.from({ length: 60 }, (_, i) => i % 2);
  const better = mixed.map((value, i) => (i < 12 ? 1 : value));
  const of = (slice: string) =>
    compareSlice([resultOf(mixed)], [resultOf(better)], { suite: "s", slice })[0]?.difference.value;
  expect(of("first")).toBeCloseTo(0.2, 12);
  expect(of("last")).toBe(0);
});

test("the share of an effect that is kept is its slope", () => {
  expect(keptShare({ exact: [1, -2, 3], served: [0.5, -1, 1.5] })).toBeCloseTo(0.5, 12);
  expect(keptShare({ exact: [0, 0], served: [0.1, 0] })).toBeNull();
});
