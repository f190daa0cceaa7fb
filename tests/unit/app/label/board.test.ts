/** @file Orders with ties: every change keeps each response once and no rank empty. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  areSame,
  joinRank,
  nudge,
  placeAt,
  putBeside,
  rankOf,
  type Tiers,
  tieWith,
  tieWithAbove,
  unplace,
  unplacedOf,
} from "@/app/label/_console/board";

const written = (tiers: Tiers) => tiers.map((tier) => tier.join("=")).join(" ");
const read = (text: string): Tiers => (text === "" ? [] : text.split(" ").map((tier) => tier.split("=")));

describe("placing", () => {
  test.each([
    ["", "a", 1, "a"],
    ["b", "a", 1, "a b"],
    ["a b", "c", 2, "a c b"],
    ["a b", "c", 9, "a b c"],
    ["a b c", "c", 1, "c a b"],
    ["a=b c", "b", 1, "b a c"],
    ["a b c", "a", 3, "b c a"],
  ])("%s with %s at rank %i becomes %s", (before, id, rank, after) => {
    expect(written(placeAt(read(before), id, rank))).toBe(after);
  });

  test.each([
    ["a b c", "c", "a b=c"],
    ["a b c", "a", "a b c"],
    ["a b=c", "c", "a=c b"],
    ["a b", "c", "a b=c"],
  ])("in %s, %s ties with the one above: %s", (before, id, after) => {
    expect(written(tieWithAbove(read(before), id))).toBe(after);
  });

  test.each([
    ["a b c", "c", -1, "a c b"],
    ["a b c", "a", -1, "a b c"],
    ["a b c", "c", 1, "a b c"],
    ["a b=c d", "c", -1, "a c b d"],
    ["a b=c d", "b", 1, "a c b d"],
    ["a b", "c", 1, "a b"],
  ] as const)("in %s, %s nudged by %i gives %s", (before, id, by, after) => {
    expect(written(nudge(read(before), id, by))).toBe(after);
  });

  test("a rank is joined as the board shows it, whatever leaves above it", () => {
    expect(written(joinRank(read("a b c"), "a", 3))).toBe("b c=a");
    expect(written(joinRank(read("a b"), "c", 1))).toBe("a=c b");
    expect(written(joinRank(read("a b"), "a", 1))).toBe("a b");
  });

  test.each([
    ["", "better", "x y"],
    ["", "tie", "y=x"],
    ["y", "worse", "y x"],
    ["x", "better", "x y"],
    ["x", "worse", "y x"],
    ["a y=b c", "better", "a x y=b c"],
    ["a y=b c x", "tie", "a y=b=x c"],
    ["x a y", "worse", "a y x"],
  ] as const)("in %j, x %s than y gives %s", (before, choice, after) => {
    expect(written(putBeside(read(before), { id: "x", otherId: "y", choice }))).toBe(after);
  });
});

test("two boards are the same whatever the order within a tie", () => {
  expect(areSame(read("a=b c"), read("b=a c"))).toBe(true);
  expect(areSame(read("a=b c"), read("a b c"))).toBe(false);
});

const ids = [..."abcdefghi"];
const id = fc.constantFrom(...ids);
const change = fc.oneof(
  fc.record({ kind: fc.constant("place" as const), id, rank: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant("join" as const), id, rank: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant("tie" as const), id }),
  fc.record({ kind: fc.constant("nudge" as const), id, by: fc.constantFrom(1 as const, -1 as const) }),
  fc.record({ kind: fc.constant("unplace" as const), id }),
  fc.record({
    kind: fc.constant("beside" as const),
    id,
    otherId: id,
    choice: fc.constantFrom("better" as const, "tie" as const, "worse" as const),
  }),
);
type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;

function apply(tiers: Tiers, one: Change): Tiers {
  switch (one.kind) {
    case "place":
      return placeAt(tiers, one.id, one.rank);
    case "join":
      return joinRank(tiers, one.id, one.rank);
    case "tie":
      return tieWithAbove(tiers, one.id);
    case "nudge":
      return nudge(tiers, one.id, one.by);
    case "unplace":
      return unplace(tiers, one.id);
    case "beside":
      return one.id === one.otherId ? tiers : putBeside(tiers, one);
  }
}

test("after any changes each response stands once or is unplaced, and no rank is empty", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const tiers = changes.reduce(apply, [] as Tiers);
      const placed = tiers.flat();
      expect(new Set(placed).size).toBe(placed.length);
      expect([...placed, ...unplacedOf(ids, tiers)].toSorted()).toEqual(ids);
      expect(tiers.every(({ length }) => length > 0)).toBe(true);
    }),
  );
});

test("a tie puts both at one rank; a choice puts them in its order", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), id, id, (changes, one, other) => {
      fc.pre(one !== other);
      const tiers = changes.reduce(apply, [] as Tiers);
      const rank = (after: Tiers, which: string) => rankOf(after, which) ?? Number.NaN;
      const better = putBeside(tiers, { id: one, otherId: other, choice: "better" });
      expect(rank(better, one)).toBeLessThan(rank(better, other));
      const placed = placeAt(tiers, other, 1);
      const tied = tieWith(placed, one, other);
      expect(rank(tied, one)).toBe(rank(tied, other));
    }),
  );
});
