/** @file Every trainable op: forward against plain JavaScript, backward against central differences. */
import { describe, expect, test } from "vitest";
import { buildBackward, NotDifferentiableError } from "@/model/autodiff/build-backward";
import { Graph } from "@/model/graph/graph";
import type { DType } from "@/model/graph/tensor-type";
import { GraphSession, type TensorData } from "@/model/runtime/graph-session";
import { type OpCase, type Operand, opCases } from "./op-cases";

/** How far a number is moved to see what changes, and what may be left of rounding and curvature, by precision. */
const precisions = {
  float64: { step: 1e-5, forward: 1e-12, backward: 1e-8 },
  // Sums of a dozen single-precision numbers of order 1, over a step of 1/64 that is exact in binary.
  float32: { step: 1 / 64, forward: 2e-6, backward: 2e-3 },
} as const;

function toData(values: readonly number[], dtype: DType): TensorData {
  if (dtype === "int64") return BigInt64Array.from(values, BigInt);
  if (dtype === "bool") return Uint8Array.from(values);
  return dtype === "float32" ? Float32Array.from(values) : Float64Array.from(values);
}

/** The case's graph with loss = sum(w * y), w fixed and uneven, and the gradients of all operands that have one. */
async function compile(opCase: OpCase) {
  const dtype = opCase.dtype ?? "float64";
  const g = new Graph();
  const operands = opCase.operands.map((operand, i) =>
    g.input(`x${i}`, operand.dtype ?? dtype, operand.shape),
  );
  const y = opCase.build(g, operands);
  g.output("y", y);
  const shape = y.shape.map(Number);
  const count = shape.reduce((product, dim) => product * dim, 1);
  const weights = toData(
    Array.from({ length: count }, (_, i) => Math.cos(i + 1)),
    y.dtype,
  );
  const weighted = g.mul(y, g.initializer("w", { dtype: y.dtype, shape }, weights));
  const loss = g.apply("ReduceSum", [weighted], { axes: shape.map((_, axis) => axis), keepDims: false });
  g.output("loss", loss);
  const hasGradient = (operand: Operand, i: number) =>
    operand.dtype === undefined && !opCase.constant?.includes(i);
  const differentiated = opCase.operands.flatMap((operand, i) => (hasGradient(operand, i) ? [i] : []));
  const parameters = differentiated.flatMap((i) => operands[i] ?? []);
  if (parameters.length > 0) {
    for (const [k, gradient] of buildBackward(g, loss, parameters).entries())
      g.output(`d${differentiated[k]}`, gradient);
  }
  const session = await GraphSession.create(g, { threads: 1 });
  const run = (values: readonly (readonly number[])[]) =>
    session.run(
      Object.fromEntries(
        opCase.operands.map(({ dtype: own }, i) => [`x${i}`, toData(values[i] ?? [], own ?? dtype)]),
      ),
    );
  return { run, differentiated, release: () => session[Symbol.asyncDispose]() };
}

const largestDifference = (a: TensorData | undefined, b: readonly number[]) => {
  expect(a?.length).toBe(b.length);
  return Math.max(0, ...b.map((value, i) => Math.abs(Number(a?.[i]) - value)));
};

for (const [op, cases] of Object.entries(opCases)) {
  describe(op, () => {
    for (const opCase of cases) {
      test(`${opCase.name}: forward and backward`, async () => {
        const precision = precisions[opCase.dtype ?? "float64"];
        const { run, differentiated, release } = await compile(opCase);
        const values = opCase.operands.map((operand) => operand.values);
        const result = await run(values);
        expect(largestDifference(result.y, opCase.expect(...values))).toBeLessThan(precision.forward);
        for (const operand of differentiated) {
          const differences: number[] = [];
          for (const [place, value] of (values[operand] ?? []).entries()) {
            const lossAt = async (moved: number) => {
              const shifted = values.map((own, i) => (i === operand ? own.with(place, moved) : own));
              return Number((await run(shifted)).loss?.[0]);
            };
            const rise = (await lossAt(value + precision.step)) - (await lossAt(value - precision.step));
            differences.push(rise / (2 * precision.step));
          }
          const tolerance = opCase.gradientTolerance ?? precision.backward;
          expect(largestDifference(result[`d${operand}`], differences)).toBeLessThan(tolerance);
        }
        await release();
      });
    }
  });
}

describe("the walk", () => {
  test("a value used twice receives both gradients", async () => {
    const g = new Graph();
    const x = g.input("x", "float64", [1]);
    // L = x^2 * x  =>  dL/dx = 3 x^2
    const loss = g.reshape(g.mul(g.mul(x, x), x), []);
    const [gradient] = buildBackward(g, loss, [x]);
    if (gradient) g.output("dx", gradient);
    await using session = await GraphSession.create(g, { threads: 1 });
    const { dx } = await session.run({ x: Float64Array.of(2) });
    expect(dx?.[0]).toBeCloseTo(12, 12);
  });

  test("nothing is built for what no parameter reaches", () => {
    const g = new Graph();
    const frozen = g.input("frozen", "float32", [2, 2]);
    const trained = g.input("trained", "float32", [2, 2]);
    const y = g.matMul(g.exp(frozen), trained);
    const loss = g.apply("ReduceSum", [y], { axes: [0, 1], keepDims: false });
    const before = g.nodes.length;
    buildBackward(g, loss, [trained]);
    const added = g.nodes.slice(before).map(({ op }) => op);
    // The gradient of the sum, then exp(frozen)^T times it: no product for the frozen side.
    expect(added.filter((op) => op === "MatMul")).toHaveLength(1);
  });

  test("a loss that does not depend on a parameter, or only through a comparison, is refused by name", () => {
    const g = new Graph();
    const x = g.input("x", "float32", []);
    const other = g.input("other", "float32", []);
    expect(() => buildBackward(g, g.exp(x), [other])).toThrow(NotDifferentiableError);
    expect(() => buildBackward(g, g.exp(x), [other])).toThrow("does not depend on other");
    const isLess = g.cast(g.apply("Less", [x, other], {}), "float32");
    expect(() => buildBackward(g, isLess, [x])).toThrow("does not depend on x");
  });

  test("an op for serving and a loss that is no scalar are refused", () => {
    const g = new Graph();
    const x = g.input("x", "float32", [2]);
    expect(() => buildBackward(g, g.exp(x), [x])).toThrow("no scalar: [2]");
    const loss = g.apply("ReduceLogSumExp", [x], { axes: [0], keepDims: false });
    expect(() => buildBackward(g, loss, [x])).toThrow("ReduceLogSumExp");
  });
});
