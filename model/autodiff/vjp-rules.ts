/** @file Reverse-mode rules, one per trainable op. Knows ops and shapes; knows nothing of models or losses. */
import type { Graph, Node, OpName, Value } from "../graph/graph";
import { type Dim, sizeOf } from "../graph/tensor-type";

/** Appends the ops of one operand's gradient; called only where it is wanted. */
type Gradient = () => Value;

/** Given dy = dL/dy, how to get dL/dx for each operand; null where no gradient flows. */
export type VjpRule<K extends OpName> = (g: Graph, node: Node<K>, dy: Value) => readonly (Gradient | null)[];

// Mapped over OpName: adding an op without its rule does not compile.
export const vjpRules: { readonly [K in OpName]: VjpRule<K> } = {
  // Broadcast operands get their gradient summed back to their own shape.
  Add: (g, { inputs: [a, b] }, dy) => [() => g.sumTo(dy, a.shape), () => g.sumTo(dy, b.shape)],
  Sub: (g, { inputs: [a, b] }, dy) => [() => g.sumTo(dy, a.shape), () => g.sumTo(g.neg(dy), b.shape)],
  Mul: (g, { inputs: [a, b] }, dy) => [
    () => g.sumTo(g.mul(dy, b), a.shape),
    () => g.sumTo(g.mul(dy, a), b.shape),
  ],
  // y = a / b  =>  da = dy / b, db = -dy y / b
  Div: (g, { inputs: [a, b], output: y }, dy) => [
    () => g.sumTo(g.div(dy, b), a.shape),
    () => g.sumTo(g.neg(g.div(g.mul(dy, y), b)), b.shape),
  ],
  // The chosen operand takes all; equal ones take half each, as in PyTorch.
  Min: (g, { inputs: [a, b] }, dy) => [
    () => g.sumTo(whereChosen(g, "Less", a, b, dy), a.shape),
    () => g.sumTo(whereChosen(g, "Less", b, a, dy), b.shape),
  ],
  Max: (g, { inputs: [a, b] }, dy) => [
    () => g.sumTo(whereChosen(g, "Greater", a, b, dy), a.shape),
    () => g.sumTo(whereChosen(g, "Greater", b, a, dy), b.shape),
  ],

  Neg: (g, _, dy) => [() => g.neg(dy)],
  // The slope at 0 is 0.
  Abs: (g, { inputs: [x] }, dy) => [
    () => {
      const zero = g.scalar(0, x.dtype);
      const isPositive = g.apply("Greater", [x, zero], {});
      const isNegative = g.apply("Less", [x, zero], {});
      return g.where(isPositive, dy, g.where(isNegative, g.neg(dy), zero));
    },
  ],
  Exp: (g, { output: y }, dy) => [() => g.mul(dy, y)],
  Log: (g, { inputs: [x] }, dy) => [() => g.div(dy, x)],
  // y = sqrt(x)  =>  dx = dy / 2y
  Sqrt: (g, { output: y }, dy) => [() => g.div(g.scale(dy, 0.5), y)],
  Reciprocal: (g, { output: y }, dy) => [() => g.neg(g.mul(dy, g.mul(y, y)))],
  // y = tanh(x)  =>  dx = dy (1 - y^2)
  Tanh: (g, { output: y }, dy) => [() => g.mul(dy, oneMinus(g, g.mul(y, y)))],
  // y = sigmoid(x)  =>  dx = dy y (1 - y)
  Sigmoid: (g, { output: y }, dy) => [() => g.mul(dy, g.mul(y, oneMinus(g, y)))],
  // y = log(1 + exp(x))  =>  dx = dy sigmoid(x)
  Softplus: (g, { inputs: [x] }, dy) => [() => g.mul(dy, g.sigmoid(x))],
  // y = erf(x)  =>  dx = dy 2/sqrt(pi) exp(-x^2)
  Erf: (g, { inputs: [x] }, dy) => [
    () => g.mul(dy, g.scale(g.exp(g.neg(g.mul(x, x))), 2 / Math.sqrt(Math.PI))),
  ],
  Relu: (g, { inputs: [x] }, dy) => [
    () => {
      const zero = g.scalar(0, x.dtype);
      return g.where(g.apply("Greater", [x, zero], {}), dy, zero);
    },
  ],
  Gelu: (g, { inputs: [x], attrs }, dy) => [
    () => g.mul(dy, attrs.approximate === "tanh" ? tanhGeluSlope(g, x) : geluSlope(g, x)),
  ],
  // y = x s, s = sigmoid(a x)  =>  dx = dy s (1 + a (x - y))
  QuickGelu: (g, { inputs: [x], output: y, attrs: { alpha } }, dy) => [
    () => {
      const rise = g.add(g.scale(g.sub(x, y), alpha), g.scalar(1, x.dtype));
      return g.mul(dy, g.mul(g.sigmoid(g.scale(x, alpha)), rise));
    },
  ],

  Equal: () => [null, null],
  Less: () => [null, null],
  LessOrEqual: () => [null, null],
  Greater: () => [null, null],
  And: () => [null, null],
  Not: () => [null],
  BitwiseXor: () => [null, null],
  Where: (g, { inputs: [condition, a, b] }, dy) => [
    null,
    () => g.sumTo(g.where(condition, dy, g.scalar(0, dy.dtype)), a.shape),
    () => g.sumTo(g.where(condition, g.scalar(0, dy.dtype), dy), b.shape),
  ],
  Cast: (g, { inputs: [x] }, dy) => [isFloat(x) && isFloat(dy) ? () => g.cast(dy, x.dtype) : null],

  // Y = AB  =>  dA = dY B^T, dB = A^T dY
  MatMul: (g, { inputs: [a, b] }, dy) => [
    () => g.sumTo(g.matMul(dy, g.transposeLast(b)), a.shape),
    () => g.sumTo(g.matMul(g.transposeLast(a), dy), b.shape),
  ],
  // Y = A'B' with A', B' possibly transposed: the gradients are such products again, so nothing is ever moved in memory.
  Gemm: (g, { inputs: [a, b], attrs: { transA, transB } }, dy) => [
    () => (transA ? gemm(g, b, dy, transB, true) : gemm(g, dy, b, false, !transB)),
    () => (transB ? gemm(g, dy, a, true, transA) : gemm(g, a, dy, !transA, false)),
  ],

  Transpose: (g, { attrs: { perm } }, dy) => [
    () =>
      g.transpose(
        dy,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
  ],
  Reshape: (g, { inputs: [x] }, dy) => [() => g.reshape(dy, x.shape)],
  Expand: (g, { inputs: [x] }, dy) => [() => g.sumTo(dy, x.shape)],
  Concat: (g, { inputs, attrs: { axis } }, dy) => {
    let start = 0;
    return inputs.map((x) => {
      const from = start;
      start += fixedSize(x, axis);
      return () => g.slice(dy, axis, from, from + fixedSize(x, axis));
    });
  },
  Slice: (g, { inputs: [x], attrs: { axis, start, end } }, dy) => [
    () => g.apply("Pad", [dy], { axis, before: start, after: fixedSize(x, axis) - end }),
  ],
  Pad: (g, { inputs: [x], attrs: { axis, before } }, dy) => [
    () => g.slice(dy, axis, before, before + fixedSize(x, axis)),
  ],

  // ids are integers: only the table receives a gradient.
  Gather: (g, { inputs: [table, ids], attrs: { axis } }, dy) => [
    () => g.scatterAdd(table, g.cast(ids, "int64"), dy, axis),
    null,
  ],
  GatherElements: (g, { inputs: [x, ids], attrs: { axis } }, dy) => [
    () => g.apply("ScatterElements", [g.zerosLike(x), ids, dy], { axis, reduction: "add" }),
    null,
  ],
  // "none": replaced rows have no influence. Where ids repeat, the last update wins, so "none" wants distinct ids.
  ScatterND: (g, { inputs: [, ids, updates], attrs: { reduction } }, dy) => [
    () =>
      reduction === "add" ? dy : g.apply("ScatterND", [dy, ids, g.zerosLike(updates)], { reduction: "none" }),
    null,
    () => g.gather(dy, g.reshape(ids, ids.shape.slice(0, -1))),
  ],
  ScatterElements: (g, { inputs: [, ids, updates], attrs: { axis, reduction } }, dy) => [
    () =>
      reduction === "add"
        ? dy
        : g.apply("ScatterElements", [dy, ids, g.zerosLike(updates)], { axis, reduction: "none" }),
    null,
    () => g.apply("GatherElements", [dy, ids], { axis }),
  ],

  ReduceSum: (g, { inputs: [x], attrs }, dy) => [() => expandReduced(g, dy, x, attrs.axes)],
  ReduceMean: (g, { inputs: [x], attrs }, dy) => [
    () => {
      const count = attrs.axes.reduce((product, axis) => product * fixedSize(x, axis), 1);
      return expandReduced(g, g.scale(dy, 1 / count), x, attrs.axes);
    },
  ],
  // The largest takes all; equal ones share evenly, as in PyTorch's amax.
  ReduceMax: (g, { inputs: [x], output: y, attrs }, dy) => [
    () => {
      const isLargest = g.cast(g.apply("Equal", [x, expandReduced(g, y, x, attrs.axes)], {}), x.dtype);
      const ties = g.apply("ReduceSum", [isLargest], { axes: attrs.axes, keepDims: true });
      return g.mul(g.div(isLargest, ties), expandReduced(g, dy, x, attrs.axes));
    },
  ],
  // y = softmax(x)  =>  dx = y (dy - sum(y dy))
  Softmax: (g, { output: y, attrs }, dy) => [
    () => g.mul(y, g.sub(dy, g.reduceSum(g.mul(y, dy), attrs.axis))),
  ],
  // y = log softmax(x)  =>  dx = dy - exp(y) sum(dy)
  LogSoftmax: (g, { output: y, attrs }, dy) => [
    () => g.sub(dy, g.mul(g.exp(y), g.reduceSum(dy, attrs.axis))),
  ],

  // n = (x - mean) / std, y = n s + b  =>  dx = (d - mean(d) - n mean(d n)) / std with d = dy s
  LayerNormalization: (g, { inputs: [x, scale, bias], outputs }, dy) => {
    const [, mean, inverseStd] = outputs;
    if (!mean || !inverseStd) throw new TypeError("LayerNormalization records its mean and 1/std");
    const inverse = () => g.cast(inverseStd, x.dtype);
    const normalized = () => g.mul(g.sub(x, g.cast(mean, x.dtype)), inverse());
    return [
      () => {
        const n = normalized();
        const d = g.mul(dy, scale);
        const centred = g.sub(d, g.reduceMean(d, -1));
        return g.mul(g.sub(centred, g.mul(n, g.reduceMean(g.mul(d, n), -1))), inverse());
      },
      () => g.sumTo(g.mul(dy, normalized()), scale.shape),
      () => g.sumTo(dy, bias.shape),
    ];
  },
  // y = x s / rms  =>  dx = d / rms - x mean(d x) / rms^3 with d = dy s
  SimplifiedLayerNormalization: (g, { inputs: [x, scale], outputs }, dy) => {
    const [, statistic] = outputs;
    if (!statistic) throw new TypeError("SimplifiedLayerNormalization records its 1/rms");
    const inverseRms = () => g.cast(statistic, x.dtype);
    return [
      () => {
        const d = g.mul(dy, scale);
        const inverse = inverseRms();
        const cube = g.mul(inverse, g.mul(inverse, inverse));
        const along = g.mul(g.reduceMean(g.mul(d, x), -1), cube); // (…, 1)
        return g.sub(g.mul(d, inverse), g.mul(x, along));
      },
      () => g.sumTo(g.mul(dy, g.mul(x, inverseRms())), scale.shape),
    ];
  },
  // A rotation's transpose is the rotation by the opposite angle. The tables are constants.
  RotaryEmbedding: (g, { inputs: [, positions, cos, sin] }, dy) => [
    () => g.apply("RotaryEmbedding", [dy, positions, cos, g.neg(sin)], {}),
    null,
    null,
    null,
  ],
};

const isFloat = ({ dtype }: Value) => dtype.startsWith("float");
const oneMinus = (g: Graph, x: Value) => g.sub(g.scalar(1, x.dtype), x);
const gemm = (g: Graph, a: Value, b: Value, transA: boolean, transB: boolean) =>
  g.apply("Gemm", [a, b], { transA, transB });

/** dy where a is chosen over b by `order`, half of it where both are equal. */
function whereChosen(g: Graph, order: "Less" | "Greater", a: Value, b: Value, dy: Value): Value {
  const isEqual = g.apply("Equal", [a, b], {});
  const half = g.where(isEqual, g.scale(dy, 0.5), g.scalar(0, dy.dtype));
  return g.where(g.apply(order, [a, b], {}), dy, half);
}

/** Phi(x) + x phi(x), with the normal distribution's function and density. */
function geluSlope(g: Graph, x: Value): Value {
  const erf = g.apply("Erf", [g.scale(x, Math.SQRT1_2)], {});
  const distribution = g.scale(g.add(erf, g.scalar(1, x.dtype)), 0.5);
  const density = g.scale(g.exp(g.scale(g.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return g.add(distribution, g.mul(x, density));
}

/** y = x/2 (1 + t), t = tanh(u), u = c (x + 0.044715 x^3)  =>  y' = (1 + t)/2 + x/2 (1 - t^2) u' */
function tanhGeluSlope(g: Graph, x: Value): Value {
  const c = Math.sqrt(2 / Math.PI);
  const one = g.scalar(1, x.dtype);
  const square = g.mul(x, x);
  const u = g.scale(g.mul(x, g.add(one, g.scale(square, 0.044715))), c);
  const t = g.apply("Tanh", [u], {});
  const uSlope = g.scale(g.add(one, g.scale(square, 3 * 0.044715)), c);
  const outer = g.scale(g.add(one, t), 0.5);
  return g.add(outer, g.mul(g.mul(g.scale(x, 0.5), oneMinus(g, g.mul(t, t))), uSlope));
}

/** A dimension that must be known when the graph is built, which all are in training. */
function fixedSize({ shape }: Value, axis: number): number {
  return sizeOf([shape.at(axis) ?? 1]);
}

/** Spreads a reduction's result over x, from which it was reduced, whether or not it kept the reduced axes. */
function expandReduced(g: Graph, reduced: Value, x: Value, axes: readonly number[]): Value {
  const kept: Dim[] = [...x.shape];
  for (const axis of axes) kept[axis < 0 ? axis + kept.length : axis] = 1;
  const narrow = g.reshape(reduced, kept);
  const sizes = x.shape.filter((dim) => typeof dim === "number");
  // Sizes that are only known at run time come with x.
  return sizes.length === x.shape.length
    ? g.apply("Expand", [narrow], { shape: sizes })
    : g.add(g.zerosLike(x), narrow);
}
