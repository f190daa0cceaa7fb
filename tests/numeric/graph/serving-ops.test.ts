/** @file Every serving op runs in ONNX Runtime and agrees with the plain ops it stands for. */
import { describe, expect, it } from "vitest";
import { Graph, type Value } from "@/model/graph/graph";
import { type Bits, dequantise, quantise } from "@/model/runtime/quantise";
import { runGraph } from "@/tests/helpers/run-graph";
import { maxDifference } from "@/tests/numeric/runtime/tiny-model";

/** Reproducible numbers in (-1, 1). */
const numbers = (count: number, seed = 1) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) * seed) * 0.99);

/** Runs two results of one graph; their inferred types must be equal and true. */
async function compare(
  build: (g: Graph, x: Value) => [served: Value, plain: Value],
  x: Float32Array,
  shape: number[],
) {
  const g = new Graph();
  const [served, plain] = build(g, g.input("x", "float32", shape));
  expect(served.shape).toEqual(plain.shape);
  g.output("served", served);
  g.output("plain", plain);
  const results = await runGraph(g, { x: { values: [...x] } });
  expect(results.served?.shape).toEqual(served.shape);
  const [a, b] = [results.served, results.plain].map((result) => Float32Array.from(result?.values ?? []));
  return { difference: maxDifference(a, b), largest: Math.max(...(b ?? []).map(Math.abs)) };
}

function matrix(g: Graph, name: string, shape: number[], data: Float32Array): Value {
  return g.initializer(name, { dtype: "float32", shape }, data);
}

function quantised(g: Graph, bits: Bits, [rows, columns]: [number, number], blockSize = 32) {
  const packed = quantise(numbers(rows * columns, 3), { rows, columns, bits, blockSize });
  const blocks = columns / blockSize;
  const bytes = (blockSize * bits) / 8;
  return {
    weight: g.initializer("w", { dtype: "uint8", shape: [rows, blocks, bytes] }, packed.data),
    table: g.initializer("table", { dtype: "uint8", shape: [rows, blocks * bytes] }, packed.data),
    scales: matrix(g, "scales", [rows, blocks], packed.scales),
    plain: matrix(g, "dequantised", [rows, columns], dequantise(packed)),
  };
}

describe("serving ops", () => {
  it("QuickGelu at alpha 1 is SiLU", async () => {
    const { difference } = await compare(
      (g, x) => [g.apply("QuickGelu", [x], { alpha: 1 }), g.mul(x, g.sigmoid(x))],
      numbers(12),
      [3, 4],
    );
    expect(difference).toBeLessThan(1e-6);
  });

  it("FusedMatMul is a scaled product with the transpose", async () => {
    const { difference } = await compare(
      (g, x) => {
        const b = matrix(g, "b", [5, 4], numbers(20, 2));
        return [
          g.apply("FusedMatMul", [x, b], { transB: true, alpha: 0.5 }),
          g.scale(g.matMul(x, g.transposeLast(b)), 0.5),
        ];
      },
      numbers(12),
      [3, 4],
    );
    expect(difference).toBeLessThan(1e-6);
  });

  it("Split gives the slices", async () => {
    const { difference } = await compare(
      (g, x) => {
        const { outputs } = g.record("Split", [x, null], { axis: 1, sizes: [1, 3] });
        return [outputs[1] as Value, g.slice(x, 1, 1, 4)];
      },
      numbers(12),
      [3, 4],
    );
    expect(difference).toBe(0);
  });

  it("SkipSimplifiedLayerNormalization is RMSNorm of the sum, and returns the sum", async () => {
    for (const index of [0, 1]) {
      const { difference } = await compare(
        (g, x) => {
          const skip = matrix(g, "skip", [1, 3, 4], numbers(12, 2));
          const scale = matrix(g, "scale", [4], numbers(4, 5));
          const epsilon = 1e-5;
          const { outputs } = g.record("SkipSimplifiedLayerNormalization", [x, skip, scale], { epsilon });
          const sum = g.add(x, skip);
          const plain = [g.apply("SimplifiedLayerNormalization", [sum, scale], { epsilon }), sum];
          return [outputs[index] as Value, plain[index] as Value];
        },
        numbers(12),
        [1, 3, 4],
      );
      expect(difference).toBeLessThan(1e-6);
    }
  });

  it.each([8, 4] as const)(
    "MatMulNBits with %i bits is a product with the dequantised weights",
    async (bits) => {
      for (const withBias of [false, true]) {
        const { difference } = await compare(
          (g, x) => {
            const { weight, scales, plain } = quantised(g, bits, [6, 64]);
            const bias = withBias ? matrix(g, "bias", [6], numbers(6, 7)) : null;
            const attrs = { K: 64, N: 6, bits, blockSize: 32, accuracyLevel: 0 as const };
            const product = g.matMul(x, g.transposeLast(plain));
            return [
              g.apply("MatMulNBits", [x, weight, scales, bias], attrs),
              bias ? g.add(product, bias) : product,
            ];
          },
          numbers(3 * 64),
          [1, 3, 64],
        );
        expect(difference).toBeLessThan(1e-4); // sums of 64 terms, in another order
      }
    },
  );

  it.each([8, 4] as const)(
    "MatMulNBits with %i bits rounds activations by less than two percent",
    async (bits) => {
      const { difference, largest } = await compare(
        (g, x) => {
          const { weight, scales, plain } = quantised(g, bits, [6, 64]);
          const attrs = { K: 64, N: 6, bits, blockSize: 32, accuracyLevel: 4 as const };
          return [
            g.apply("MatMulNBits", [x, weight, scales, null], attrs),
            g.matMul(x, g.transposeLast(plain)),
          ];
        },
        numbers(3 * 64),
        [1, 3, 64],
      );
      expect(difference).toBeLessThan(0.02 * largest); // int8 activations: half a step is 1/254 of the largest
    },
  );

  it.each([8, 4] as const)("GatherBlockQuantized with %i bits gives dequantised rows", async (bits) => {
    const { difference } = await compare(
      (g, x) => {
        const { table, scales, plain } = quantised(g, bits, [6, 64]);
        const ids = g.cast(x, "int64");
        return [
          g.apply("GatherBlockQuantized", [table, ids, scales], { bits, blockSize: 32 }),
          g.gather(plain, ids),
        ];
      },
      Float32Array.of(5, 0, 3),
      [3],
    );
    expect(difference).toBeLessThan(1e-6);
  });

  it("ReduceLogSumExp is the logarithm of the sum of exponentials", async () => {
    const { difference } = await compare(
      (g, x) => {
        const sum = g.reduceSum(g.exp(x), 1);
        return [g.apply("ReduceLogSumExp", [x], { axes: [1], keepDims: true }), g.apply("Log", [sum], {})];
      },
      numbers(12),
      [3, 4],
    );
    expect(difference).toBeLessThan(1e-6);
  });
});
