/** @file What a ranking counts in the loss, and which prompts are held out. */
import { describe, expect, test } from "vitest";
import { heldOutPrompts, weighPairs } from "@/model/data/ranked-examples";

const responses = (count: number) => Array.from({ length: count }, () => ({ text: "" }));
const weigh = (count: number, rankings: (number | null)[][], onConflict: "each" | "consensus" = "each") =>
  weighPairs({ responses: responses(count), rankings: rankings.map((ranks) => ({ ranks })) }, onConflict);

describe("the weight of pairs", () => {
  test("is 1 / C(K, 2) each, tied pairs counted in C(K, 2) but in no sum", () => {
    const { pairs, ties, comparisons } = weigh(3, [[1, 2, 2]]);
    expect({ ties, comparisons }).toEqual({ ties: 1, comparisons: 2 });
    expect(pairs).toEqual([
      { chosen: 0, rejected: 1, weight: 1 / 3 },
      { chosen: 0, rejected: 2, weight: 1 / 3 },
    ]);
  });

  test("of two responses is that of one pair", () => {
    expect(weigh(2, [[2, 1]]).pairs).toEqual([{ chosen: 1, rejected: 0, weight: 1 }]);
  });

  test("is none where everything is tied, and unranked responses are in no pair", () => {
    expect(weigh(3, [[1, 1, 1]])).toEqual({ pairs: [], ties: 3, comparisons: 0 });
    expect(weigh(3, [[1, null, 2]]).pairs).toEqual([{ chosen: 0, rejected: 2, weight: 1 }]);
    expect(weigh(2, [[1, null]])).toEqual({ pairs: [], ties: 0, comparisons: 0 });
  });

  test("of several rankings of one prompt sums to what one has, each ranking by itself", () => {
    const { pairs } = weigh(2, [
      [1, 2],
      [1, 2],
      [2, 1],
    ]);
    expect(pairs.map(({ chosen }) => chosen)).toEqual([0, 1]);
    expect(pairs[0]?.weight).toBeCloseTo(2 / 3);
    expect(pairs[1]?.weight).toBeCloseTo(1 / 3);
  });

  test("of their consensus is of one ranking, and opposed rankings are a tie", () => {
    expect(
      weigh(
        2,
        [
          [1, 2],
          [1, 2],
          [2, 1],
        ],
        "consensus",
      ).pairs,
    ).toEqual([{ chosen: 0, rejected: 1, weight: 1 }]);
    expect(
      weigh(
        2,
        [
          [1, 2],
          [2, 1],
        ],
        "consensus",
      ),
    ).toEqual({ pairs: [], ties: 1, comparisons: 0 });
  });
});

describe("held-out prompts", () => {
  const row = (content: string, user?: string) => ({
    prompt: [{ role: "user" as const, content }],
    ...(user !== undefined && { meta: { user } }),
  });
  const rows = Array.from({ length: 100 }, (_, i) => row(`Question ${i}`));

  test("are the asked share, the same for the same seed and others for another", () => {
    const first = heldOutPrompts(rows, { seed: 1, share: 0.2 });
    expect(first.size).toBe(20);
    expect(heldOutPrompts(rows, { seed: 1, share: 0.2 })).toEqual(first);
    expect(heldOutPrompts(rows, { seed: 2, share: 0.2 })).not.toEqual(first);
    expect(heldOutPrompts(rows, { seed: 1, share: 0 }).size).toBe(0);
  });

  test("keep rows of one prompt together, whatever its spaces and letter case", () => {
    const twice = [...rows, ...Array.from({ length: 100 }, (_, i) => row(`  question\n${i} `.toUpperCase()))];
    const heldOut = heldOutPrompts(twice, { seed: 3, share: 0.3 });
    expect(heldOut.size).toBeGreaterThan(0);
    for (let i = 0; i < 100; i++) expect(heldOut.has(i)).toBe(heldOut.has(i + 100));
  });

  test("keep the prompts of a user together, also over a prompt that two users asked", () => {
    const of = [
      ...Array.from({ length: 90 }, (_, i) => row(`Question ${i}`, `user ${i % 18}`)),
      row("Question 0", "user 1"),
    ];
    const heldOut = heldOutPrompts(of, { seed: 4, share: 0.25 });
    expect(heldOut.size).toBeGreaterThan(0);
    for (let i = 0; i < 90; i++) expect(heldOut.has(i)).toBe(heldOut.has(i % 18));
    expect(heldOut.has(0)).toBe(heldOut.has(1));
    expect(heldOut.has(90)).toBe(heldOut.has(1));
  });
});
