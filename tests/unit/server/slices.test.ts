/** @file By what the prompts of an evaluation are told apart. */
import { expect, test } from "vitest";
import type { ComparedTask } from "@/server/domain/evaluation/read-judgments";
import { isInSlice, scriptOf, slicesOf } from "@/server/domain/evaluation/slices";

const task = (fields: Partial<ComparedTask> = {}): ComparedTask => ({
  taskId: "t",
  batchId: "b",
  overlap: 1,
  before: { turns: 0, characters: 0 },
  promptId: "p",
  messages: [{ role: "user", content: "Why?" }],
  source: "conversation",
  isSensitive: false,
  reasons: [],
  answers: [
    { id: "1", policyId: "a", text: "x".repeat(100) },
    { id: "2", policyId: "b", text: "x".repeat(600) },
  ],
  isSame: false,
  isShown: true,
  ...fields,
});

test.each([
  ["Why is the sky blue?", "Latin"],
  ["Почему небо голубое? (sky)", "Cyrillic"],
  ["なぜ空は青いのですか。空気の分子", "Japanese"],
  ["为什么天空是蓝色的", "Han"],
  ["하늘은 왜 파란가요", "Korean"],
  ["لماذا السماء زرقاء", "Arabic"],
  ["ما 2 + 2", "Arabic"],
  ["2 + 2 = ?", "no letters"],
  ["ᚠᚢᚦᚨᚱᚲ", "other"],
])("the writing system of “%s” is %s", (text, script) => {
  expect(scriptOf(text)).toBe(script);
});

test("a task stands in one slice of each kind, and in one for each reason people gave", () => {
  const slices = slicesOf(task({ reasons: ["incorrect", "tooLong"] }));
  expect(slices.map(({ by, value }) => `${by}: ${value}`)).toEqual([
    "source: conversation",
    "script: Latin",
    "turns: 1",
    "promptLength: under 200",
    "responseLength: 300 to 1200",
    "reason: incorrect",
    "reason: tooLong",
  ]);
  expect(isInSlice(task(), { by: "reason", value: "incorrect" })).toBe(false);
  expect(isInSlice(task(), { by: "turns", value: "1" })).toBe(true);
});

test("turns are those of the user", () => {
  const turns = ["a", "b", "c"].flatMap((content) => [
    { role: "user" as const, content },
    { role: "assistant" as const, content },
  ]);
  const valuesOf = (messages: ComparedTask["messages"]) =>
    slicesOf(task({ messages })).find(({ by }) => by === "turns")?.value;
  expect(valuesOf(turns.slice(0, 3))).toBe("2");
  expect(valuesOf([{ role: "system", content: "Be brief." }, ...turns.slice(0, 5)])).toBe("3 or more");
});
