/** @file Every trainable op runs in ONNX Runtime and agrees with its definition, and its inferred type is what comes out. */
import { describe, expect, it } from "vitest";
import { type Graph, Graph as GraphBuilder } from "@/model/graph/graph";
import type { Attrs, Inputs, OpName } from "@/model/graph/op-signatures";
import type { DType } from "@/model/graph/tensor-type";
import { runGraph } from "@/tests/helpers/run-graph";

type Operand = { shape: number[]; values: number[]; dtype?: DType };
type Case<K extends OpName> = { operands: Operand[]; attrs: Attrs<K>; expected: number[] };

const x: Operand = { shape: [2, 3], values: [-2, -0.5, 0.25, 1, 1.5, 3] };
const positive: Operand = { shape: [2, 3], values: [0.1, 0.5, 1, 2, 4, 9] };
const row: Operand = { shape: [3], values: [1, 2, -4] };
const flags: Operand = { shape: [2, 3], values: [1, 0, 1, 0, 0, 1], dtype: "bool" };
const otherFlags: Operand = { shape: [3], values: [1, 1, 0], dtype: "bool" };
const ids = (shape: number[], values: number[]): Operand => ({ shape, values, dtype: "int64" });

const at = (operand: Operand, i: number) => operand.values[i] as number;
const map = (operand: Operand, f: (v: number) => number) => operand.values.map(f);
/** f over a (2, 3) and a broadcast (3). */
const zip = (f: (a: number, b: number) => number) => x.values.map((v, i) => f(v, at(row, i % 3)));
const unary = (f: (v: number) => number, operand = x) => ({
  operands: [operand],
  attrs: {},
  expected: map(operand, f),
});
const binary = (f: (a: number, b: number) => number) => ({ operands: [x, row], attrs: {}, expected: zip(f) });
const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

/** Abramowitz and Stegun's series is too coarse: the Maclaurin series converges for the small arguments used here. */
function erf(v: number): number {
  let term = v;
  let sum = v;
  for (let n = 1; n < 80; n++) {
    term *= -(v * v) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** f over each row of a (2, 3). */
const rows = (f: (r: number[]) => number[]) => [f(x.values.slice(0, 3)), f(x.values.slice(3))].flat();
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const softmax = (r: number[]) => r.map((v) => Math.exp(v) / sum(r.map(Math.exp)));
const mean = (r: number[]) => sum(r) / r.length;
const epsilon = 1e-5;

const cases: { [K in OpName]: Case<K> } = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Min: binary(Math.min),
  Max: binary(Math.max),
  Neg: unary((v) => -v),
  Abs: unary(Math.abs),
  Exp: unary(Math.exp),
  Log: unary(Math.log, positive),
  Sqrt: unary(Math.sqrt, positive),
  Reciprocal: unary((v) => 1 / v),
  Tanh: unary(Math.tanh),
  Sigmoid: unary(sigmoid),
  Softplus: unary((v) => Math.log1p(Math.exp(v))),
  Erf: unary(erf),
  Relu: unary((v) => Math.max(v, 0)),
  Gelu: {
    operands: [x],
    attrs: { approximate: "tanh" },
    expected: map(x, (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))),
  },
  QuickGelu: { operands: [x], attrs: { alpha: 1.5 }, expected: map(x, (v) => v * sigmoid(1.5 * v)) },
  Equal: { operands: [x, { shape: [], values: [1.5] }], attrs: {}, expected: [0, 0, 0, 0, 1, 0] },
  Less: binary((a, b) => Number(a < b)),
  LessOrEqual: { operands: [x, { shape: [], values: [1] }], attrs: {}, expected: [1, 1, 1, 1, 0, 0] },
  Greater: binary((a, b) => Number(a > b)),
  And: { operands: [flags, otherFlags], attrs: {}, expected: [1, 0, 0, 0, 0, 0] },
  Not: { operands: [flags], attrs: {}, expected: [0, 1, 0, 1, 1, 0] },
  BitwiseXor: {
    operands: [
      { shape: [2, 1], values: [5, 2 ** 31 - 1], dtype: "int32" },
      { shape: [1, 2], values: [3, 2 ** 30], dtype: "int32" },
    ],
    attrs: {},
    expected: [6, 2 ** 30 + 5, 2 ** 31 - 4, 2 ** 30 - 1],
  },
  Where: {
    operands: [flags, x, row],
    attrs: {},
    expected: x.values.map((v, i) => (at(flags, i) ? v : at(row, i % 3))),
  },
  Cast: { operands: [flags], attrs: { to: "float32" }, expected: flags.values },
  MatMul: {
    operands: [x, { shape: [3, 2], values: [1, 2, 3, 4, 5, 6] }],
    attrs: {},
    expected: [-2.25, -4.5, 20.5, 26],
  },
  Gemm: {
    operands: [{ shape: [3, 2], values: [1, 2, 3, 4, 5, 6] }, x],
    attrs: { transA: true, transB: true },
    expected: [-2.25, 20.5, -4.5, 26],
  },
  Transpose: { operands: [x], attrs: { perm: [1, 0] }, expected: [-2, 1, -0.5, 1.5, 0.25, 3] },
  Reshape: { operands: [x], attrs: { shape: [3, 2] }, expected: x.values },
  Expand: { operands: [row], attrs: { shape: [2, 3] }, expected: [...row.values, ...row.values] },
  Concat: { operands: [x, x], attrs: { axis: 1 }, expected: rows((r) => [...r, ...r]) },
  Slice: { operands: [x], attrs: { axis: 1, start: 1, end: 3 }, expected: rows((r) => r.slice(1)) },
  Pad: { operands: [x], attrs: { axis: 1, before: 1, after: 2 }, expected: rows((r) => [0, ...r, 0, 0]) },
  Gather: {
    operands: [x, ids([3], [1, 0, 1])],
    attrs: { axis: 0 },
    expected: [...x.values.slice(3), ...x.values.slice(0, 3), ...x.values.slice(3)],
  },
  GatherElements: {
    operands: [x, ids([2, 1], [2, 0])],
    attrs: { axis: 1 },
    expected: [at(x, 2), at(x, 3)],
  },
  ScatterND: {
    operands: [x, ids([2, 1], [1, 1]), x],
    attrs: { reduction: "add" },
    expected: [-2, -0.5, 0.25, 0, 2.5, 6.25],
  },
  ScatterElements: {
    operands: [x, ids([2, 1], [2, 0]), { shape: [2, 1], values: [10, 20] }],
    attrs: { axis: 1, reduction: "add" },
    expected: [-2, -0.5, 10.25, 21, 1.5, 3],
  },
  ReduceSum: { operands: [x], attrs: { axes: [1], keepDims: true }, expected: rows((r) => [sum(r)]) },
  ReduceMean: { operands: [x], attrs: { axes: [-1], keepDims: false }, expected: rows((r) => [mean(r)]) },
  ReduceMax: { operands: [x], attrs: { axes: [0, 1], keepDims: false }, expected: [3] },
  Softmax: { operands: [x], attrs: { axis: -1 }, expected: rows(softmax) },
  LogSoftmax: { operands: [x], attrs: { axis: -1 }, expected: rows((r) => softmax(r).map(Math.log)) },
  LayerNormalization: {
    operands: [x, row, { shape: [3], values: [0.5, 0, -1] }],
    attrs: { epsilon },
    expected: rows((r) => {
      const deviation = Math.sqrt(mean(r.map((v) => (v - mean(r)) ** 2)) + epsilon);
      return r.map((v, i) => ((v - mean(r)) / deviation) * at(row, i) + ([0.5, 0, -1][i] ?? 0));
    }),
  },
  SimplifiedLayerNormalization: {
    operands: [x, row],
    attrs: { epsilon },
    expected: rows((r) => r.map((v, i) => (v / Math.sqrt(mean(r.map((u) => u * u)) + epsilon)) * at(row, i))),
  },
  RotaryEmbedding: {
    operands: [
      { shape: [1, 1, 2, 2], values: [1, 2, 3, 4] },
      ids([1, 2], [0, 1]),
      { shape: [2, 1], values: [1, Math.cos(1)] },
      { shape: [2, 1], values: [0, Math.sin(1)] },
    ],
    attrs: {},
    expected: [1, 2, 3 * Math.cos(1) - 4 * Math.sin(1), 4 * Math.cos(1) + 3 * Math.sin(1)],
  },
};

function applyCase<K extends OpName>(g: Graph, op: K, { operands, attrs }: Case<K>) {
  const inputs = operands.map(({ dtype, shape }, i) => g.input(`in${i}`, dtype ?? "float32", shape));
  return g.apply(op, inputs as Inputs<K>, attrs);
}

describe("trainable ops", () => {
  it.each(Object.keys(cases) as OpName[])("%s agrees with its definition", async (op) => {
    const g = new GraphBuilder();
    const { operands, expected } = cases[op];
    const y = applyCase<OpName>(g, op, cases[op]);
    g.output("y", y);
    const feeds = Object.fromEntries(operands.map(({ values, shape }, i) => [`in${i}`, { values, shape }]));
    const { y: result } = await runGraph(g, feeds);
    expect(result?.shape).toEqual(y.shape);
    expect(result?.dtype).toBe(y.dtype);
    expect(result?.values.length).toBe(expected.length);
    // float32 kernels: a few units in the last place of values below 100.
    for (const [i, value] of expected.entries()) expect(result?.values[i]).toBeCloseTo(value, 5);
  });
});
