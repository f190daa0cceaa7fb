/** @file AdamW's own rules about parameters: which learning rate each has, and what decays. */
import { expect, test } from "vitest";
import { AdamW, type AdamWOptions, defaultAdamW } from "@/model/optim/adamw";

/** After one step on a gradient of 1 for each: by how much each moved. */
function moved(options: Partial<AdamWOptions>, lr = 1e-3): Record<string, number> {
  const parameter = (shape: number[]) => ({ values: new Float32Array([2, 2]), shape });
  const parameters = new Map([
    ["adapter", parameter([1, 2])],
    ["head", parameter([1, 2])],
    ["norm", parameter([2])],
  ]);
  const optimizer = new AdamW(parameters, { ...defaultAdamW, ...options });
  optimizer.accumulate(() => new Float32Array([1, 1]));
  expect(optimizer.step(lr).applied).toBe(true);
  return Object.fromEntries([...parameters].map(([name, { values }]) => [name, (values[0] ?? 0) - 2]));
}

test("a factor multiplies the learning rate of its parameter and of no other", () => {
  const { adapter, head, norm } = moved({ lrFactors: new Map([["head", 15]]) });
  // The first step of Adam is lr in size, whatever the gradient; single precision around 2 allows 1e-7.
  expect(adapter).toBeCloseTo(-1e-3, 6);
  expect(norm).toBeCloseTo(-1e-3, 6);
  expect(head).toBeCloseTo(-15e-3, 6);
});

test("the decay of a parameter goes with its own learning rate, and vectors have none", () => {
  const { adapter, head, norm } = moved({ lrFactors: new Map([["head", 10]]), weightDecay: 0.5 });
  // lr * (1 + decay * 2)
  expect(adapter).toBeCloseTo(-2e-3, 6);
  expect(head).toBeCloseTo(-20e-3, 6);
  expect(norm).toBeCloseTo(-1e-3, 6);
});

test("no factors are factors of 1", () => {
  expect(moved({ lrFactors: new Map([["another", 9]]) })).toEqual(moved({}));
});
