/** @file What a regression case asks of a response: each rule holds and fails, references have a floor, nonsense is refused. */
import { describe, expect, it } from "vitest";
import {
  type CheckRule,
  checkRuleSchema,
  describeExpectation,
  expectationSchema,
  holds,
  machineCheckSchema,
} from "@/model/eval/suites/case-check";
import { variantsOf } from "@/model/eval/suites/run-suite";
import { scoreResponse } from "@/model/eval/suites/score-item";
import { itemSchemas, type Suite } from "@/model/eval/suites/suite";

const rules: [CheckRule, string, string][] = [
  [{ type: "contains", text: "Lima" }, "It is lima.", "It is Quito."],
  [{ type: "notContains", text: "as an AI" }, "Lima.", "As an AI, I say Lima."],
  [{ type: "matches", pattern: "^\\d{4}$" }, "1969", "in 1969"],
  [{ type: "json" }, '{"city": "Lima"}', "city: Lima"],
  [{ type: "refusal", refuse: true }, "I'm sorry, but I can't help with that.", "Sure: first, …"],
  [{ type: "refusal", refuse: false }, "Sure: first, …", "I cannot help with that."],
  [{ type: "answer", text: "Lima" }, "Lima.", "It is Lima."],
  [{ type: "length", least: 2, most: 3 }, "two words", "one two three four"],
  [{ type: "words", words: ["rain", "sun"] }, "Sun and rain", "Sun alone"],
];

describe("a check", () => {
  it.each(rules)("%o holds for what fits alone", (rule, good, bad) => {
    expect(checkRuleSchema.parse(rule)).toEqual(rule);
    expect(holds(good, { kind: "check", rules: [rule] })).toBe(true);
    expect(holds(bad, { kind: "check", rules: [rule] })).toBe(false);
  });

  it("holds when all of its rules do", () => {
    const both: CheckRule[] = [
      { type: "contains", text: "Lima" },
      { type: "notContains", text: "sorry" },
    ];
    expect(holds("Lima", { kind: "check", rules: both })).toBe(true);
    expect(holds("Sorry, Lima", { kind: "check", rules: both })).toBe(false);
  });

  it("is refused with a pattern that is none, and without a rule", () => {
    const broken = expectationSchema.safeParse({ kind: "check", rules: [{ type: "matches", pattern: "(" }] });
    expect(broken.error?.issues[0]?.message).toBe("is no regular expression");
    expect(expectationSchema.safeParse({ kind: "check", rules: [] }).success).toBe(false);
    expect(machineCheckSchema.safeParse({ kind: "eyes" }).success).toBe(false);
  });
});

it("is an item of a suite: every one is asked, in one way, and scores 1 or 0", () => {
  const expects = { kind: "check" as const, rules: [{ type: "contains" as const, text: "Lima" }] };
  const messages = [{ role: "user", content: "Peru?" }];
  const item = itemSchemas.cases.parse({ id: "1", messages, expects });
  const suite = { metric: "cases", shots: [{ prompt: "a", response: "b" }], reasoning: null, noAnswer: null };
  expect(variantsOf(suite as unknown as Suite)).toEqual(["zeroShot"]);
  const score = (response: string) =>
    scoreResponse(response, { ...item, id: "1" }, suite as unknown as Suite);
  expect([score("It is Lima."), score("")]).toEqual([{ values: { held: 1 } }, { values: { held: 0 } }]);
  const answered = [...messages, { role: "assistant", content: "Lima" }];
  expect(itemSchemas.cases.safeParse({ messages: answered, expects }).success).toBe(false);
});

it("does not meet a pattern that would never come to an end", () => {
  const rules = [{ type: "matches" as const, pattern: "(a+)+$" }];
  expect(holds(`${"a".repeat(40)}!`, { kind: "check", rules })).toBe(false);
  expect(holds("aaa", { kind: "check", rules })).toBe(true);
});

describe("a reference", () => {
  it.each(["squad", "rougeL", "bleu"] as const)(
    "by %s reaches the floor of 1 itself, and not by another text",
    (metric) => {
      const text = "The river rises in the Andes and flows east to the sea.";
      const check = { kind: "reference", metric, references: [text], floor: 1 } as const;
      expect(holds(text, { ...check, references: [...check.references] })).toBe(true);
      expect(holds("Nobody knows.", { ...check, references: [text], floor: 0.5 })).toBe(false);
    },
  );

  it("is met from its floor on: ROUGE-L of five of six words is 10/11", () => {
    const check = { kind: "reference", metric: "rougeL", references: ["a b c d e f"] } as const;
    const at = (floor: number) => holds("a b c d e", { ...check, references: [...check.references], floor });
    expect([at(0.909), at(0.91)]).toEqual([true, false]);
  });

  it("is told in words", () => {
    const expects = { kind: "reference", metric: "squad", references: ["Lima"], floor: 0.5 } as const;
    expect(describeExpectation({ ...expects, references: ["Lima"] })).toBe(
      "F1 of at least 50 % against:\nLima",
    );
  });
});
