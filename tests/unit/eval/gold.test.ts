/** @file The gold judge by hand-made responses, and the simulated labelers' agreement with it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { makeGoldPrompts } from "@/model/data/gold-prompts";
import { type GoldRule, goldScore } from "@/model/eval/gold";
import { calibrateNoise, simulateRanks } from "@/model/eval/simulated-labelers";
import { normalTensor } from "@/model/random/normal";
import { createRandom } from "@/model/random/random";

const rule = {
  words: { type: "words", words: ["storm", "Quiet"] },
  length: { type: "length", least: 4, most: 8 },
  list: { type: "format", items: 2 },
  text: { type: "format", items: null },
  noRepetition: { type: "noRepetition" },
  ending: { type: "ending" },
} as const satisfies Record<string, GoldRule>;

test.each<[keyof typeof rule, string, number]>([
  ["words", "The storm was not quiet.", 1],
  ["words", "Storms are loud; quiet, they are not.", 0.5],
  ["words", "Stormy, quietly.", 0],
  ["length", "One two three four.", 1],
  ["length", "One two.", 0.5],
  ["length", "a b c d e f g h i j k l", 0.5],
  ["length", "a b c d e f g h i j k l m n o p q r", 0],
  ["list", "- one\n- two", 1],
  ["list", "Here they are:\n- one\n- two", 2 / 3],
  ["list", "- one\n- two\n- three\n- four", 0.5],
  ["list", "one and two", 0],
  ["text", "one and two", 1],
  ["text", "- one\nand two", 0.5],
  ["noRepetition", "the sea is wide and the sky is wide", 1],
  ["noRepetition", "the sea is the sea is the sea is", 3 / 7],
  ["ending", "It rains.", 1],
  ["ending", "“Does it rain?”", 1],
  ["ending", "It rains and", 0],
])("%s of %j: %d", (name, response, met) => {
  expect(goldScore(response, [rule[name]])).toEqual({
    score: met,
    parts: [{ type: rule[name].type, met }],
  });
});

test("the score is the mean of the rules; an empty response meets none of them", () => {
  const rules = Object.values(rule).filter(({ type }) => type !== "format");
  expect(goldScore("A storm is never quiet.", rules).score).toBe(1);
  expect(goldScore("A storm is never", rules).score).toBeCloseTo(2.5 / 4);
  expect(goldScore(" \n", rules).score).toBe(0);
});

test("scores lie between 0 and 1, whatever the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      for (const { met } of goldScore(text, Object.values(rule)).parts) {
        expect(met).toBeGreaterThanOrEqual(0);
        expect(met).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test("simulated labelers agree with gold as often as was asked for", () => {
  const gold = Array.from({ length: 800 }, (_, task) =>
    [...normalTensor(3, task, 6, 0.2)].map((x) => Math.round(10 * x) / 10),
  );
  const noise = calibrateNoise(gold, 0.73);
  let [right, pairs] = [0, 0];
  for (const [task, scores] of gold.entries()) {
    const ranks = simulateRanks(scores, { noise, seed: 5, labeler: 2, task });
    expect(ranks.toSorted()).toEqual([1, 2, 3, 4, 5, 6]);
    for (const [i, a] of scores.entries()) {
      for (const [j, b] of scores.entries()) {
        if (i >= j || a === b) continue;
        pairs++;
        right += Number(a > b === (ranks[i] ?? 0) < (ranks[j] ?? 0));
      }
    }
  }
  // 10,000 pairs and more, six ranks apart: the standard error is below a percentage point.
  expect(pairs).toBeGreaterThan(10_000);
  expect(right / pairs).toBeCloseTo(0.73, 2);
});

test("the same labeler ranks a task the same way again, another one does not", () => {
  const gold = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
  const draw = (labeler: number, task: number) =>
    simulateRanks(gold, { noise: 0.5, seed: 1, labeler, task }).join();
  expect(draw(1, 1)).toBe(draw(1, 1));
  expect(new Set([draw(1, 1), draw(2, 1), draw(1, 2)]).size).toBe(3);
  expect(simulateRanks(gold, { noise: 0, seed: 1, labeler: 1, task: 1 })).toEqual([7, 6, 5, 4, 3, 2, 1]);
});

test("noise for nothing to agree on, or for an agreement that no noise gives, is refused", () => {
  expect(() => calibrateNoise([[0.5, 0.5], [1]], 0.73)).toThrow("No two responses differ");
  expect(() => calibrateNoise([[0, 1]], 0.5)).toThrow("not between 0.5 and 1");
});

test("prompts are all different, state each of their rules, and are the same for the same seed", () => {
  const prompts = makeGoldPrompts(createRandom(4), 300);
  expect(new Set(prompts.map(({ prompt }) => prompt)).size).toBe(300);
  expect(makeGoldPrompts(createRandom(4), 300)).toEqual(prompts);
  for (const { prompt, rules } of prompts) {
    for (const stated of rules) {
      if (stated.type === "words") for (const word of stated.words) expect(prompt).toContain(`"${word}"`);
      if (stated.type === "length") expect(prompt).toContain(`${stated.least} to ${stated.most} words`);
      if (stated.type === "format")
        expect(prompt).toContain(
          stated.items === null ? "in plain sentences" : `a list of ${stated.items} lines`,
        );
    }
  }
  expect(() => makeGoldPrompts(createRandom(1), 2001)).toThrow("only 2000 at most");
});
