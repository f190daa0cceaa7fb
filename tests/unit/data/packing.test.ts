/** @file Packing: every token once, examples apart, labels only where the loss counts. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ExampleTooLongError, layOutBatch, packRows } from "@/model/data/packing";

const example = (tokens: number[], counted = tokens.map(() => true)) => ({ tokens, counted });

test("labels are the next token of the same example, and padding has none", () => {
  const rows = [[example([5, 6, 7], [false, false, true]), example([8, 9])], [example([1])]];
  const batch = layOutBatch(rows, 6);
  expect([...batch.ids]).toEqual([5, 6, 7, 8, 9, 0, 1, 0, 0, 0, 0, 0]);
  expect([...batch.positions]).toEqual([0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  expect([...batch.segments]).toEqual([0, 0, 0, 1, 1, -1, 0, -1, -1, -1, -1, -1]);
  expect([...batch.labels]).toEqual([-1, 7, -1, 9, -1, -1, -1, -1, -1, -1, -1, -1]);
  expect(batch.countedTokens).toBe(2);
  expect(batch.realTokens).toBe(6);
});

test("a token equal to the padding id is still predicted where it is an example's end", () => {
  const batch = layOutBatch([[example([3, 0])]], 4);
  expect([...batch.labels]).toEqual([0, -1, -1, -1]);
});

test("packing keeps every example once and never overfills a row", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 16 }), { maxLength: 60 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 5 }), (sizes, openRows) => {
      const examples = sizes.map((size, at) => ({ tokens: new Array<number>(size).fill(at) }));
      const rows = packRows(examples, 16, openRows);
      const packed = rows.flat();
      expect(new Set(packed)).toEqual(new Set(examples));
      expect(packed).toHaveLength(examples.length);
      for (const row of rows)
        expect(row.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeLessThanOrEqual(16);
    }),
  );
});

test("an example longer than a row is refused with both lengths", () => {
  expect(() => packRows([example([1, 2, 3])], 2)).toThrow(ExampleTooLongError);
  expect(() => packRows([example([1, 2, 3])], 2)).toThrow("3 tokens does not fit a row of 2");
});
