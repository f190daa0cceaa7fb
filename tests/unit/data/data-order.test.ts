/** @file The order of a run's data: every example once an epoch, known in advance, independent of where one starts. */
import { expect, test } from "vitest";
import { DataOrder } from "@/model/train/data-order";

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

test("no batch counts more targets than the graph is built for, and all have one shape", () => {
  const order = new DataOrder(examples, options);
  for (let step = 0; step < order.totalSteps; step++) {
    for (const batch of order.batches(step)) {
      expect(batch.countedTokens).toBeLessThanOrEqual(order.mostTargets);
      expect(batch.ids).toHaveLength(16);
    }
  }
  expect(() => order.batches(order.totalSteps)).toThrow(RangeError);
});
