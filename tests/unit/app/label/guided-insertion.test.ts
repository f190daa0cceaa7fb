/** @file Binary insertion with ties finds the order a labeler has in mind, in the fewest choices. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { areSame, type Choice, type Tiers, unplacedOf } from "@/app/label/_console/board";
import { choose, mostChoices, nextInsertion, opponentOf } from "@/app/label/_console/guided-insertion";

/** Ranks all of `worth` by choices that follow it. */
function rankBy(worth: Record<string, number>): { tiers: Tiers; choices: number } {
  const order = Object.keys(worth);
  let choices = 0;
  let { tiers, insertion } = nextInsertion([], order);
  while (insertion) {
    const [own = 0, other = 0] = [worth[insertion.id], worth[opponentOf(tiers, insertion)]];
    const choice: Choice = own > other ? "better" : own < other ? "worse" : "tie";
    choices += 1;
    ({ tiers, insertion } = choose(tiers, insertion, choice));
    if (!insertion) ({ tiers, insertion } = nextInsertion(tiers, unplacedOf(order, tiers)));
  }
  return { tiers, choices };
}

const worths = fc
  .array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 9 })
  .map((values) => Object.fromEntries(values.map((value, i) => [String.fromCharCode(97 + i), value])));

test("any order of up to nine with any ties is found, in at most the stated number of choices", () => {
  fc.assert(
    fc.property(worths, (worth) => {
      const { tiers, choices } = rankBy(worth);
      const values = [...new Set(Object.values(worth))].toSorted((a, b) => b - a);
      const expected = values.map((value) => Object.keys(worth).filter((id) => worth[id] === value));
      expect(areSame(tiers, expected)).toBe(true);
      expect(choices).toBeLessThanOrEqual(mostChoices(Object.keys(worth).length));
    }),
    { numRuns: 500 },
  );
});

test("nine answers never take more than 22 choices", () => {
  expect(mostChoices(9)).toBe(21);
  expect(mostChoices(1)).toBe(0);
});

test("it goes on from an order built on the board", () => {
  const { tiers, insertion } = nextInsertion([["a"], ["b", "c"]], ["d", "e"]);
  expect(insertion).toEqual({ id: "d", low: 0, high: 2 });
  expect(opponentOf(tiers, { id: "d", low: 0, high: 2 })).toBe("b");
  expect(choose(tiers, { id: "d", low: 0, high: 2 }, "tie").tiers).toEqual([["a"], ["b", "c", "d"]]);
});

test("a single answer needs no choice", () => {
  expect(nextInsertion([], ["a"])).toEqual({ tiers: [["a"]], insertion: null });
});
