/** @file The order of a run's data: every example once an epoch, known in advance, independent of where one starts. */
import { expect, test } from "vitest";
import { cutBatches, DataOrder, evaluationBatches, lengthBuckets } from "@/model/train/data-order";

const examples = Array.from({ length: 23 }, (_, at) => {
  const tokens = Array.from({ length: 1 + (at % 5) + 1 }, () => at);
  return { tokens, counted: tokens.map(() => true) };
});
const options = { seed: 3, epochs: 2, length: 8, rowsPerBatch: 2, batchesPerStep: 2 };

/** The examples of a batch, by the token that stands for each. */
const members = (ids: Int32Array, segments: Int32Array) =>
  ids.filter((_, place) => (segments[place] ?? -1) >= 0);

test("each epoch sees every token once, in an order of its own", () => {
  const order = new DataOrder(examples, options);
  const seen: [number[], number[]] = [[], []];
  for (let step = 0; step < order.totalSteps; step++) {
    const { epoch } = order.place(step);
    for (const { ids, segments } of order.batches(step))
      seen[epoch === 0 ? 0 : 1].push(...members(ids, segments));
  }
  const all = examples.flatMap(({ tokens }) => tokens);
  expect(seen[0].toSorted((a, b) => a - b)).toEqual(all);
  expect(seen[1].toSorted((a, b) => a - b)).toEqual(all);
  expect(seen[0]).not.toEqual(seen[1]);
});

test("a step's batches are the same whenever they are asked for, and another seed gives others", () => {
  const last = new DataOrder(examples, options).totalSteps - 1;
  const [a, b] = [new DataOrder(examples, options), new DataOrder(examples, options)];
  a.batches(0);
  expect(a.batches(last)).toEqual(b.batches(last));
  expect(new DataOrder(examples, { ...options, seed: 4 }).batches(0)).not.toEqual(a.batches(0));
});

test("no batch counts more targets than the graph is built for, and none more than the most", () => {
  const order = new DataOrder(examples, options);
  const counts = Array.from({ length: order.totalSteps }, (_, step) => order.batches(step)).flatMap(
    (batches) => batches.map(({ countedTokens }) => countedTokens),
  );
  expect(Math.max(...counts)).toBe(order.mostTargets);
  expect(() => order.batches(order.totalSteps)).toThrow(RangeError);
});

test("lengths are quarters of a row in whole sixteens", () => {
  expect(lengthBuckets(256)).toEqual([64, 128, 192, 256]);
  expect(lengthBuckets(100)).toEqual([32, 64, 96, 100]);
  expect(lengthBuckets(64)).toEqual([16, 32, 48, 64]);
  expect(lengthBuckets(8)).toEqual([8]);
});

test("a batch is as long as the smallest bucket that holds its rows, and has all its rows", () => {
  const rows = [[20, 30], [10], [60, 4], [33]].map((row) =>
    row.map((size) => ({
      tokens: Array.from({ length: size }, () => 1),
      counted: Array.from({ length: size }, () => true),
    })),
  );
  const shapes = cutBatches(rows, 64, 1).map(({ rows: count, length }) => [count, length]);
  expect(shapes.map(String)).toEqual(["1,64", "1,16", "1,64", "1,48"]);
  expect(cutBatches(rows.slice(1, 2), 64, 3)[0]).toMatchObject({ rows: 3, length: 16, realTokens: 10 });
});

test("evaluation takes long rows first, so that only the last batches are short", () => {
  const mixed = [40, 3, 44, 5, 41, 4].map((size) => ({
    tokens: Array.from({ length: size }, () => 1),
    counted: Array.from({ length: size }, () => true),
  }));
  // 48 tokens hold one long example and one short one, or short ones alone.
  const batches = evaluationBatches(mixed, 48, 2);
  expect(batches.reduce((sum, { realTokens }) => sum + realTokens, 0)).toBe(137);
  const lengths = batches.map(({ length }) => length);
  expect(lengths).toEqual(lengths.toSorted((a, b) => b - a));
});

test("mixed-in examples are the share asked for, and none comes again before all were seen", () => {
  const text = Array.from({ length: 40 }, (_, at) => {
    const tokens = Array.from({ length: 4 }, () => 100 + at);
    return { tokens, counted: tokens.map(() => true) };
  });
  const order = new DataOrder(examples, { ...options, epochs: 8, mix: { examples: text, share: 0.25 } });
  const seen = Array.from({ length: 8 }, (): number[] => []);
  for (let step = 0; step < order.totalSteps; step++) {
    for (const { ids, segments } of order.batches(step))
      seen[order.place(step).epoch]?.push(...members(ids, segments));
  }
  const own = examples.reduce((sum, { tokens }) => sum + tokens.length, 0);
  for (const tokens of seen) {
    const mixed = tokens.filter((token) => token >= 100).length;
    expect(tokens.length - mixed).toBe(own);
    expect(mixed).toBe(Math.ceil(own / 3 / 4) * 4);
  }
  // Six pieces and more an epoch: the first six epochs see each of the forty at most once.
  const firstOnes = seen
    .slice(0, 6)
    .flatMap((tokens) => [...new Set(tokens.filter((token) => token >= 100))]);
  const perEpoch = Math.ceil(own / 3 / 4);
  const once = firstOnes.slice(0, Math.floor(40 / perEpoch) * perEpoch);
  expect(new Set(once).size).toBe(once.length);
  const again = new DataOrder(examples, { ...options, epochs: 8, mix: { examples: text, share: 0.25 } });
  expect(again.batches(9)).toEqual(order.batches(9));
});
