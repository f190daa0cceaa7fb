/** @file The tiny world's tasks: reproducible, and each demonstration right by its own rule. */
import { expect, test } from "vitest";
import { makeTinyConversation, makeTinyTask, passesTinyRule, tinyTaskKinds } from "@/model/data/tiny-tasks";
import { createRandom } from "@/model/random/random";

test.each(tinyTaskKinds)("every demonstration of %s passes its own rule", (kind) => {
  const random = createRandom(1);
  for (let sample = 0; sample < 200; sample++) {
    const task = makeTinyTask(random, kind);
    expect(passesTinyRule(task.rule, task.response), JSON.stringify(task)).toBe(true);
  }
});

test("a wrong answer fails", () => {
  expect(passesTinyRule({ type: "equals", text: "c b a" }, "a b c")).toBe(false);
  expect(passesTinyRule({ type: "equalsExactly", text: "CAT" }, "cat")).toBe(false);
  expect(passesTinyRule({ type: "contains", words: ["cat"], maxWords: 5 }, "The cats sleep.")).toBe(false);
  expect(passesTinyRule({ type: "contains", words: ["cat"], maxWords: 3 }, "I have a cat.")).toBe(false);
  expect(passesTinyRule({ type: "contains", words: ["cat"], maxWords: 5 }, "I have a cat")).toBe(false);
});

test("the same draws give the same conversations, which alternate and end with an answer", () => {
  const [a, b] = [createRandom(3), createRandom(3)];
  for (let sample = 0; sample < 100; sample++) {
    const messages = makeTinyConversation(a);
    expect(makeTinyConversation(b)).toEqual(messages);
    const turns = messages.filter(({ role }) => role !== "system");
    expect(turns.map(({ role }) => role)).toEqual(
      turns.map((_, at) => (at % 2 === 0 ? "user" : "assistant")),
    );
    expect(messages.at(-1)?.role).toBe("assistant");
  }
});
