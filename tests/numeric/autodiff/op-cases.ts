/** @file One or more cases for each trainable op: operands, the graph, and what its output should be. */
import type { Graph, OpName, Value } from "@/model/graph/graph";
import type { DType } from "@/model/graph/tensor-type";

export type Operand = {
  shape: readonly number[];
  /** Row-major. */
  values: readonly number[];
  /** Default: the case's. Operands of other types are constants. */
  dtype?: DType;
};

export type OpCase = {
  name: string;
  operands: readonly Operand[];
  build(g: Graph, operands: Value[]): Value;
  /** The output in plain JavaScript, row-major. */
  expect(...values: (readonly number[])[]): number[];
  /** float32 where the runtime has no kernel for doubles. Default float64. */
  dtype?: "float32" | "float64";
  /** Operands that no gradient reaches. Default none. */
  constant?: readonly number[];
  /** Where the op keeps a by-product in single precision. */
  gradientTolerance?: number;
};

/** Spread, sign-changing numbers without ties: a golden-ratio sequence in (-1.5, 1.5). */
const spread = (shape: readonly number[], offset = 0): Operand => ({
  shape,
  values: Array.from({ length: size(shape) }, (_, i) => (((i + 1 + offset) * 0.618034) % 1) * 3 - 1.5),
});
const positive = (shape: readonly number[], offset = 0): Operand => {
  const { values } = spread(shape, offset);
  return { shape, values: values.map((value) => Math.abs(value) + 0.4) };
};
const ids = (shape: readonly number[], values: readonly number[]): Operand => ({
  shape,
  values,
  dtype: "int64",
});
const size = (shape: readonly number[]) => shape.reduce((product, dim) => product * dim, 1);

type UnaryName =
  | "Neg"
  | "Abs"
  | "Exp"
  | "Log"
  | "Sqrt"
  | "Reciprocal"
  | "Tanh"
  | "Sigmoid"
  | "Softplus"
  | "Erf"
  | "Relu";
type BinaryName = "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max";
type ComparisonName = "Equal" | "Less" | "LessOrEqual" | "Greater";

function unary(op: UnaryName, f: (x: number) => number, more: Partial<OpCase> = {}): OpCase[] {
  return [
    {
      name: op,
      operands: [spread([3, 4])],
      build: (g, [x]) => g.apply(op, [at(x)], {}),
      expect: (x) => x.map(f),
      ...more,
    },
  ];
}

/** Same shapes, a broadcast row against a column, and a scalar. */
function binary(op: BinaryName, f: (a: number, b: number) => number): OpCase[] {
  const build: OpCase["build"] = (g, [a, b]) => g.apply(op, [at(a), at(b)], {});
  return [
    {
      name: `${op} of equal shapes`,
      operands: [positive([2, 3]), positive([2, 3], 7)],
      build,
      expect: (a, b) => a.map((x, i) => f(x, b[i] ?? 0)),
    },
    {
      name: `${op} of a row and a column`,
      operands: [spread([1, 3]), positive([2, 1], 3)],
      build,
      expect: (a, b) => b.flatMap((y) => a.map((x) => f(x, y))),
    },
    {
      name: `${op} of a scalar and a missing axis`,
      operands: [spread([2, 2, 2]), positive([2], 5)],
      build,
      expect: (a, b) => a.map((x, i) => f(x, b[i % 2] ?? 0)),
    },
  ];
}

function comparison(op: ComparisonName, f: (a: number, b: number) => boolean): OpCase[] {
  return [
    {
      name: op,
      operands: [
        { shape: [4], values: [1, 2, 3, -1] },
        { shape: [4], values: [1, 3, 2, -1] },
      ],
      build: (g, [a, b]) => g.cast(g.apply(op, [at(a), at(b)], {}), "float64"),
      expect: (a, b) => a.map((x, i) => Number(f(x, b[i] ?? 0))),
      constant: [0, 1],
    },
  ];
}

type ReductionName = "ReduceSum" | "ReduceMean" | "ReduceMax";
function reduction(op: ReductionName, f: (values: number[]) => number): OpCase[] {
  const operand = spread([2, 3, 2]);
  const pick = (x: readonly number[], i: number, j: number, k: number) => x[i * 6 + j * 2 + k] ?? 0;
  return [
    {
      name: `${op} over the middle axis, kept`,
      operands: [operand],
      build: (g, [x]) => g.apply(op, [at(x)], { axes: [1], keepDims: true }),
      expect: (x) => [0, 1].flatMap((i) => [0, 1].map((k) => f([0, 1, 2].map((j) => pick(x, i, j, k))))),
    },
    {
      name: `${op} over two axes, dropped`,
      operands: [operand],
      build: (g, [x]) => g.apply(op, [at(x)], { axes: [0, -1], keepDims: false }),
      expect: (x) => [0, 1, 2].map((j) => f([0, 1].flatMap((i) => [0, 1].map((k) => pick(x, i, j, k))))),
    },
  ];
}

function matMul(
  a: readonly number[],
  b: readonly number[],
  [m, k, n]: readonly [number, number, number],
): number[] {
  return Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return Array.from({ length: k }, (_, l) => (a[i * k + l] ?? 0) * (b[l * n + j] ?? 0)).reduce(
      (x, y) => x + y,
      0,
    );
  });
}
const transposed = (x: readonly number[], rows: number, columns: number) =>
  Array.from({ length: x.length }, (_, at) => x[(at % rows) * columns + Math.floor(at / rows)] ?? 0);

function rows<T>(x: readonly T[], width: number): T[][] {
  return Array.from({ length: x.length / width }, (_, row) => x.slice(row * width, (row + 1) * width));
}
const sum = (x: readonly number[]) => x.reduce((a, b) => a + b, 0);
const mean = (x: readonly number[]) => sum(x) / x.length;
const softmax = (x: number[]) => x.map((value) => Math.exp(value) / sum(x.map(Math.exp)));
function erf(x: number): number {
  // Maclaurin series: exact to double precision for the |x| < 3 used here.
  let [term, total] = [x, x];
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
const at = (value: Value | undefined): Value => {
  if (value === undefined) throw new RangeError("the case has fewer operands than its graph takes");
  return value;
};

const epsilon = 1e-5;

// Mapped over OpName: an op without a case does not compile.
export const opCases: { readonly [K in OpName]: readonly OpCase[] } = {
  Add: binary("Add", (a, b) => a + b),
  Sub: binary("Sub", (a, b) => a - b),
  Mul: binary("Mul", (a, b) => a * b),
  Div: binary("Div", (a, b) => a / b),
  Min: [
    ...binary("Min", Math.min),
    {
      name: "Min of equal operands",
      operands: [spread([2]), spread([2])],
      build: (g, [a, b]) => g.apply("Min", [at(a), at(b)], {}),
      expect: (a) => [...a],
    },
  ],
  Max: [
    ...binary("Max", Math.max),
    {
      name: "Max of equal operands",
      operands: [spread([2]), spread([2])],
      build: (g, [a, b]) => g.apply("Max", [at(a), at(b)], {}),
      expect: (a) => [...a],
    },
  ],
  Neg: unary("Neg", (x) => -x),
  Abs: unary("Abs", Math.abs, { operands: [{ shape: [3], values: [-2, 0, 3] }] }),
  Exp: unary("Exp", Math.exp),
  Log: unary("Log", Math.log, { operands: [positive([3, 4])] }),
  Sqrt: unary("Sqrt", Math.sqrt, { operands: [positive([3, 4])] }),
  Reciprocal: unary("Reciprocal", (x) => 1 / x, { operands: [positive([3, 4])] }),
  Tanh: unary("Tanh", Math.tanh),
  Sigmoid: unary("Sigmoid", (x) => 1 / (1 + Math.exp(-x))),
  Softplus: unary("Softplus", (x) => Math.log1p(Math.exp(x)), { dtype: "float32" }),
  Erf: unary("Erf", erf, { dtype: "float32" }),
  Relu: unary("Relu", (x) => Math.max(0, x)),
  QuickGelu: [1, 1.5].map((alpha) => ({
    name: `QuickGelu at alpha ${alpha}`,
    operands: [spread([3, 4])],
    build: (g, [x]) => g.apply("QuickGelu", [at(x)], { alpha }),
    expect: (x) => x.map((value) => value / (1 + Math.exp(-alpha * value))),
    dtype: "float32",
  })),
  Gelu: [
    {
      name: "Gelu, exact",
      operands: [spread([3, 4])],
      build: (g, [x]) => g.apply("Gelu", [at(x)], { approximate: "none" }),
      expect: (x) => x.map((value) => 0.5 * value * (1 + erf(value * Math.SQRT1_2))),
      dtype: "float32",
    },
    {
      name: "Gelu, GPT-2's approximation",
      operands: [spread([3, 4])],
      build: (g, [x]) => g.apply("Gelu", [at(x)], { approximate: "tanh" }),
      expect: (x) =>
        x.map((v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))),
      dtype: "float32",
    },
  ],
  Equal: comparison("Equal", (a, b) => a === b),
  Less: comparison("Less", (a, b) => a < b),
  LessOrEqual: comparison("LessOrEqual", (a, b) => a <= b),
  Greater: comparison("Greater", (a, b) => a > b),
  And: [
    {
      name: "And",
      operands: [
        { shape: [2, 2], values: [0, 0, 1, 1], dtype: "bool" },
        { shape: [2], values: [0, 1], dtype: "bool" },
      ],
      build: (g, [a, b]) => g.cast(g.apply("And", [at(a), at(b)], {}), "float64"),
      expect: () => [0, 0, 0, 1],
    },
  ],
  Not: [
    {
      name: "Not",
      operands: [{ shape: [2], values: [0, 1], dtype: "bool" }],
      build: (g, [x]) => g.cast(g.apply("Not", [at(x)], {}), "float64"),
      expect: () => [1, 0],
    },
  ],
  BitwiseXor: [
    {
      name: "BitwiseXor",
      operands: [ids([2, 1], [5, 12]), ids([1, 2], [3, 8])],
      build: (g, [a, b]) => g.cast(g.apply("BitwiseXor", [at(a), at(b)], {}), "float64"),
      expect: () => [6, 13, 15, 4],
    },
  ],
  Where: [
    {
      name: "Where with broadcasting",
      operands: [{ shape: [2, 1], values: [1, 0], dtype: "bool" }, spread([2, 3]), spread([3], 4)],
      build: (g, [condition, a, b]) => g.where(at(condition), at(a), at(b)),
      expect: (_, a, b) => [...a.slice(0, 3), ...b],
    },
  ],
  Cast: [
    {
      name: "Cast to single precision and back",
      operands: [{ shape: [3], values: [0.5, -0.25, 2] }],
      build: (g, [x]) => g.cast(g.cast(g.mul(at(x), at(x)), "float32"), "float64"),
      expect: (x) => x.map((value) => value * value),
      // Differences of single-precision numbers.
      gradientTolerance: 2e-2,
    },
  ],
  MatMul: [
    {
      name: "MatMul of matrices",
      operands: [spread([2, 3]), spread([3, 4], 5)],
      build: (g, [a, b]) => g.matMul(at(a), at(b)),
      expect: (a, b) => matMul(a, b, [2, 3, 4]),
    },
    {
      name: "MatMul with a batch on the left only",
      operands: [spread([2, 2, 3]), spread([3, 2], 5)],
      build: (g, [a, b]) => g.matMul(at(a), at(b)),
      expect: (a, b) => matMul(a, b, [4, 3, 2]),
    },
    {
      name: "MatMul with one batch broadcast against another",
      operands: [spread([2, 1, 2, 2]), spread([3, 2, 1], 5)],
      build: (g, [a, b]) => g.matMul(at(a), at(b)),
      expect: (a, b) =>
        rows(a, 4).flatMap((left) => rows(b, 2).flatMap((right) => matMul(left, right, [2, 2, 1]))),
    },
  ],
  Gemm: [false, true].flatMap((transA) =>
    [false, true].map((transB) => ({
      name: `Gemm, A ${transA ? "transposed" : "plain"}, B ${transB ? "transposed" : "plain"}`,
      operands: [spread(transA ? [3, 2] : [2, 3]), spread(transB ? [4, 3] : [3, 4], 5)],
      build: (g: Graph, [a, b]: Value[]) => g.apply("Gemm", [at(a), at(b)], { transA, transB }),
      expect: (a: readonly number[], b: readonly number[]) =>
        matMul(transA ? transposed(a, 3, 2) : a, transB ? transposed(b, 4, 3) : b, [2, 3, 4]),
    })),
  ),
  Transpose: [
    {
      name: "Transpose by a permutation that is not its own inverse",
      operands: [spread([2, 3, 2])],
      build: (g, [x]) => g.transpose(at(x), [1, 2, 0]),
      expect: (x) =>
        [0, 1, 2].flatMap((j) => [0, 1].flatMap((k) => [0, 1].map((i) => x[i * 6 + j * 2 + k] ?? 0))),
    },
  ],
  Reshape: [
    {
      name: "Reshape",
      operands: [spread([2, 6])],
      build: (g, [x]) => g.reshape(at(x), [3, 4]),
      expect: (x) => [...x],
    },
  ],
  Expand: [
    {
      name: "Expand of a column to a new leading axis",
      operands: [spread([2, 1])],
      build: (g, [x]) => g.apply("Expand", [at(x)], { shape: [2, 2, 3] }),
      expect: ([a = 0, b = 0]) => [a, a, a, b, b, b, a, a, a, b, b, b],
    },
  ],
  Concat: [
    {
      name: "Concat of three along the last axis",
      operands: [spread([2, 1]), spread([2, 2], 3), spread([2, 1], 9)],
      build: (g, operands) => g.concat(operands, -1),
      expect: (a, b, c) =>
        [0, 1].flatMap((row) => [a[row] ?? 0, ...b.slice(2 * row, 2 * row + 2), c[row] ?? 0]),
    },
  ],
  Slice: [
    {
      name: "Slice of the middle",
      operands: [spread([2, 4])],
      build: (g, [x]) => g.slice(at(x), 1, 1, 3),
      expect: (x) => rows(x, 4).flatMap((row) => row.slice(1, 3)),
    },
  ],
  Pad: [
    {
      name: "Pad before and after",
      operands: [spread([2, 2])],
      build: (g, [x]) => g.apply("Pad", [at(x)], { axis: 1, before: 1, after: 2 }),
      expect: (x) => rows(x, 2).flatMap((row) => [0, ...row, 0, 0]),
    },
  ],
  Gather: [
    {
      name: "Gather of rows, one of them twice",
      operands: [spread([4, 2]), ids([2, 2], [3, 0, 3, 1])],
      build: (g, [table, places]) => g.gather(at(table), at(places)),
      expect: (x) => [3, 0, 3, 1].flatMap((row) => x.slice(2 * row, 2 * row + 2)),
    },
  ],
  GatherElements: [
    {
      name: "GatherElements of one element a row",
      operands: [spread([3, 4]), ids([3, 1], [2, 0, 3])],
      build: (g, [x, places]) => g.apply("GatherElements", [at(x), at(places)], { axis: 1 }),
      expect: (x) => [x[2] ?? 0, x[4] ?? 0, x[11] ?? 0],
    },
  ],
  ScatterND: [
    {
      name: "ScatterND adding twice to one row",
      operands: [spread([3, 2]), ids([2, 1], [1, 1]), spread([2, 2], 8)],
      build: (g, [target, places, updates]) =>
        g.apply("ScatterND", [at(target), at(places), at(updates)], { reduction: "add" }),
      expect: (x, _, u) =>
        x.map((value, i) => (i === 2 || i === 3 ? value + (u[i - 2] ?? 0) + (u[i] ?? 0) : value)),
    },
    {
      name: "ScatterND replacing a row",
      operands: [spread([3, 2]), ids([1, 1], [1]), spread([1, 2], 8)],
      build: (g, [target, places, updates]) =>
        g.apply("ScatterND", [at(target), at(places), at(updates)], { reduction: "none" }),
      expect: (x, _, u) => [...x.slice(0, 2), ...u, ...x.slice(4)],
    },
  ],
  ScatterElements: [
    {
      name: "ScatterElements adding",
      operands: [spread([2, 3]), ids([2, 1], [2, 0]), spread([2, 1], 8)],
      build: (g, [target, places, updates]) =>
        g.apply("ScatterElements", [at(target), at(places), at(updates)], { axis: 1, reduction: "add" }),
      expect: (x, _, u) => x.map((value, i) => value + (i === 2 ? (u[0] ?? 0) : i === 3 ? (u[1] ?? 0) : 0)),
    },
    {
      name: "ScatterElements replacing",
      operands: [spread([2, 3]), ids([2, 1], [2, 0]), spread([2, 1], 8)],
      build: (g, [target, places, updates]) =>
        g.apply("ScatterElements", [at(target), at(places), at(updates)], { axis: 1, reduction: "none" }),
      expect: (x, _, u) => x.map((value, i) => (i === 2 ? (u[0] ?? 0) : i === 3 ? (u[1] ?? 0) : value)),
    },
  ],
  ReduceSum: reduction("ReduceSum", sum),
  ReduceMean: reduction("ReduceMean", mean),
  ReduceMax: [
    ...reduction("ReduceMax", (x) => Math.max(...x)),
    {
      name: "ReduceMax with two largest",
      operands: [{ shape: [3], values: [2, 1, 2] }],
      build: (g, [x]) => g.apply("ReduceMax", [at(x)], { axes: [0], keepDims: true }),
      expect: () => [2],
    },
  ],
  Softmax: [
    {
      name: "Softmax over the last axis",
      operands: [spread([2, 4])],
      build: (g, [x]) => g.softmax(at(x)),
      expect: (x) => rows(x, 4).flatMap(softmax),
    },
    {
      name: "Softmax over the first axis",
      operands: [spread([4, 2])],
      build: (g, [x]) => g.softmax(at(x), 0),
      expect: (x) => transposed(rows(transposed(x, 4, 2), 4).flatMap(softmax), 2, 4),
    },
  ],
  LogSoftmax: [
    {
      name: "LogSoftmax",
      operands: [spread([2, 4])],
      build: (g, [x]) => g.apply("LogSoftmax", [at(x)], { axis: -1 }),
      expect: (x) => rows(x, 4).flatMap((row) => softmax(row).map(Math.log)),
    },
  ],
  LayerNormalization: [
    {
      name: "LayerNormalization",
      operands: [spread([2, 2, 4]), spread([4], 3), spread([4], 9)],
      build: (g, [x, scale, bias]) =>
        g.apply("LayerNormalization", [at(x), at(scale), at(bias)], { epsilon }),
      expect: (x, scale, bias) =>
        rows(x, 4).flatMap((row) => {
          const centred = row.map((value) => value - mean(row));
          const std = Math.sqrt(mean(centred.map((value) => value * value)) + epsilon);
          return centred.map((value, i) => (value / std) * (scale[i] ?? 0) + (bias[i] ?? 0));
        }),
      gradientTolerance: 1e-6,
    },
  ],
  SimplifiedLayerNormalization: [
    {
      name: "SimplifiedLayerNormalization",
      operands: [spread([2, 2, 4]), spread([4], 3)],
      build: (g, [x, scale]) => g.apply("SimplifiedLayerNormalization", [at(x), at(scale)], { epsilon }),
      expect: (x, scale) =>
        rows(x, 4).flatMap((row) => {
          const rms = Math.sqrt(mean(row.map((value) => value * value)) + epsilon);
          return row.map((value, i) => (value / rms) * (scale[i] ?? 0));
        }),
      gradientTolerance: 1e-6,
    },
  ],
  RotaryEmbedding: [
    {
      name: "RotaryEmbedding at positions out of order",
      // (B, H, T, D) = (1, 2, 2, 4), four positions in the tables
      operands: [spread([1, 2, 2, 4]), ids([1, 2], [3, 1]), spread([4, 2], 2), spread([4, 2], 6)],
      build: (g, [x, positions, cos, sin]) =>
        g.apply("RotaryEmbedding", [at(x), at(positions), at(cos), at(sin)], {}),
      expect: (x, positions, cos, sin) =>
        rows(x, 4).flatMap(([a = 0, b = 0, c = 0, d = 0], row) => {
          const position = positions[row % 2] ?? 0;
          const [c0 = 0, c1 = 0] = cos.slice(2 * position);
          const [s0 = 0, s1 = 0] = sin.slice(2 * position);
          return [a * c0 - c * s0, b * c1 - d * s1, c * c0 + a * s0, d * c1 + b * s1];
        }),
      constant: [2, 3],
      dtype: "float32",
    },
  ],
};
