/** @file The op table of trainable ops: types in, types out, ONNX spelling. Knows nothing of gradients. */
import type { TrainingOps } from "./op-signatures";
import {
  alongAxis,
  broadcasting,
  elementwise,
  expectSameDType,
  floatTypes,
  type OpSpec,
  reduction,
} from "./op-spec";
import {
  concatShape,
  expectElementIds,
  expectLastAxisVector,
  gatherShape,
  matMulShape,
  padShape,
  reshapeOperand,
  reshapeShape,
  scatterNdShape,
  sliceShape,
  transposeShape,
} from "./shape-rules";
import { broadcast, describeType, dimAt, dtypes, GraphError, isSameShape } from "./tensor-type";

export const trainingOps: { readonly [K in keyof TrainingOps]: OpSpec<K> } = {
  Add: broadcasting("Add"),
  Sub: broadcasting("Sub"),
  Mul: broadcasting("Mul"),
  Div: broadcasting("Div"),
  Min: broadcasting("Min"),
  Max: broadcasting("Max"),
  Neg: elementwise("Neg"),
  Abs: elementwise("Abs"),
  Exp: elementwise("Exp"),
  Log: elementwise("Log"),
  Sqrt: elementwise("Sqrt"),
  Reciprocal: elementwise("Reciprocal"),
  Tanh: elementwise("Tanh"),
  Sigmoid: elementwise("Sigmoid"),
  Softplus: elementwise("Softplus"),
  Erf: elementwise("Erf"),
  Relu: elementwise("Relu"),
  Gelu: {
    infer: ([x]) => [{ dtype: expectSameDType("Gelu", [x], floatTypes), shape: x.shape }],
    write: ({ approximate }) => ({ attributes: [{ name: "approximate", string: approximate }] }),
  },
  QuickGelu: {
    infer: ([x]) => [{ dtype: expectSameDType("QuickGelu", [x], ["float32"]), shape: x.shape }],
    write: ({ alpha }) => ({ domain: "com.microsoft", attributes: [{ name: "alpha", float: alpha }] }),
  },
  Equal: broadcasting("Equal", "bool"),
  Less: broadcasting("Less", "bool"),
  LessOrEqual: broadcasting("LessOrEqual", "bool"),
  Greater: broadcasting("Greater", "bool"),
  And: broadcasting("And", "bool"),
  Not: { infer: ([x]) => [{ dtype: expectSameDType("Not", [x], ["bool"]), shape: x.shape }] },
  BitwiseXor: {
    infer: ([a, b]) => [
      {
        dtype: expectSameDType("BitwiseXor", [a, b], ["int32", "int64"]),
        shape: broadcast("BitwiseXor", a, b),
      },
    ],
  },
  Where: {
    infer: ([condition, a, b]) => {
      expectSameDType("Where", [condition], ["bool"]);
      return [{ dtype: expectSameDType("Where", [a, b]), shape: broadcast("Where", condition, a, b) }];
    },
  },
  Cast: {
    infer: ([x], { to }) => [{ dtype: to, shape: x.shape }],
    write: ({ to }) => ({ attributes: [{ name: "to", int: dtypes[to].onnx }] }),
  },
  MatMul: {
    infer: ([a, b]) => [
      { dtype: expectSameDType("MatMul", [a, b], floatTypes), shape: matMulShape("MatMul", a, b) },
    ],
  },
  Gemm: {
    infer: ([a, b], { transA, transB }) => {
      if (a.shape.length !== 2 || b.shape.length !== 2)
        throw new GraphError("Gemm", "needs matrices", [a, b]);
      const dtype = expectSameDType("Gemm", [a, b], floatTypes);
      const left = transA ? { dtype, shape: a.shape.toReversed() } : a;
      return [{ dtype, shape: matMulShape("Gemm", left, b, transB) }];
    },
    write: ({ transA, transB }) => ({
      attributes: [
        { name: "transA", int: transA ? 1 : 0 },
        { name: "transB", int: transB ? 1 : 0 },
      ],
    }),
  },
  Transpose: {
    infer: ([x], { perm }) => [{ dtype: x.dtype, shape: transposeShape("Transpose", x, perm) }],
    write: ({ perm }) => ({ attributes: [{ name: "perm", ints: perm }] }),
  },
  Reshape: {
    infer: ([x], { shape }) => [{ dtype: x.dtype, shape: reshapeShape("Reshape", x, shape) }],
    write: ({ shape }, [x]) => ({ operands: [reshapeOperand(x, shape)] }),
  },
  Expand: {
    infer: ([x], { shape }) => {
      const result = broadcast("Expand", x, { dtype: x.dtype, shape });
      if (!isSameShape(result, shape)) throw new GraphError("Expand", `does not reach [${shape}]`, [x]);
      return [{ dtype: x.dtype, shape }];
    },
    write: ({ shape }) => ({ operands: [shape] }),
  },
  Concat: {
    infer: (inputs, { axis }) => [
      { dtype: expectSameDType("Concat", inputs), shape: concatShape("Concat", inputs, axis) },
    ],
    write: ({ axis }) => ({ attributes: [{ name: "axis", int: axis }] }),
  },
  Slice: {
    infer: ([x], { axis, start, end }) => [
      { dtype: x.dtype, shape: sliceShape("Slice", x, axis, start, end) },
    ],
    write: ({ axis, start, end }) => ({ operands: [[start], [end], [axis]] }),
  },
  Pad: {
    infer: ([x], { axis, before, after }) => [
      { dtype: x.dtype, shape: padShape("Pad", x, axis, before, after) },
    ],
    write: ({ axis, before, after }) => ({ operands: [[before, after], null, [axis]] }),
  },
  Gather: {
    infer: ([table, ids], { axis }) => [
      { dtype: table.dtype, shape: gatherShape("Gather", table, ids, axis) },
    ],
    write: ({ axis }) => ({ attributes: [{ name: "axis", int: axis }] }),
  },
  GatherElements: {
    infer: ([x, ids], { axis }) => {
      expectElementIds("GatherElements", x, ids, axis);
      return [{ dtype: x.dtype, shape: ids.shape }];
    },
    write: ({ axis }) => ({ attributes: [{ name: "axis", int: axis }] }),
  },
  ScatterND: {
    infer: ([target, ids, updates]) => [
      { dtype: target.dtype, shape: scatterNdShape("ScatterND", target, ids, updates) },
    ],
    write: ({ reduction: how }) => ({ attributes: [{ name: "reduction", string: how }] }),
  },
  ScatterElements: {
    infer: ([target, ids, updates], { axis }) => {
      expectElementIds("ScatterElements", target, ids, axis);
      if (!isSameShape(ids.shape, updates.shape) || target.dtype !== updates.dtype) {
        throw new GraphError("ScatterElements", "updates must look like ids", [target, ids, updates]);
      }
      return [{ dtype: target.dtype, shape: target.shape }];
    },
    write: ({ axis, reduction: how }) => ({
      attributes: [
        { name: "axis", int: axis },
        { name: "reduction", string: how },
      ],
    }),
  },
  ReduceSum: reduction("ReduceSum"),
  ReduceMean: reduction("ReduceMean"),
  ReduceMax: reduction("ReduceMax"),
  Softmax: alongAxis("Softmax"),
  LogSoftmax: alongAxis("LogSoftmax"),
  LayerNormalization: {
    infer: ([x, scale, bias]) => {
      const dtype = expectSameDType("LayerNormalization", [x, scale, bias], floatTypes);
      expectLastAxisVector("LayerNormalization", x, scale);
      expectLastAxisVector("LayerNormalization", x, bias);
      const statistic = { dtype: "float32", shape: x.shape.with(-1, 1) } as const;
      return [{ dtype, shape: x.shape }, statistic, statistic];
    },
    write: ({ epsilon }) => ({
      attributes: [
        { name: "axis", int: -1 },
        { name: "epsilon", float: epsilon },
      ],
    }),
  },
  SimplifiedLayerNormalization: {
    infer: ([x, scale]) => {
      const dtype = expectSameDType("SimplifiedLayerNormalization", [x, scale], floatTypes);
      expectLastAxisVector("SimplifiedLayerNormalization", x, scale);
      return [
        { dtype, shape: x.shape },
        { dtype: "float32", shape: x.shape.with(-1, 1) },
      ];
    },
    write: ({ epsilon }) => ({
      attributes: [
        { name: "axis", int: -1 },
        { name: "epsilon", float: epsilon },
      ],
    }),
  },
  RotaryEmbedding: {
    infer: ([x, positions, cos, sin]) => {
      const operands = [x, positions, cos, sin];
      const dtype = expectSameDType("RotaryEmbedding", [x, cos, sin], floatTypes);
      if (x.shape.length !== 4) throw new GraphError("RotaryEmbedding", "x must be (B, H, T, D)", operands);
      const rows = [x.shape[0], x.shape[2]];
      const half = Number(dimAt("RotaryEmbedding", x, -1)) / 2;
      const fits =
        positions.dtype === "int64" &&
        rows.join() === positions.shape.join() &&
        isSameShape(cos.shape, sin.shape) &&
        cos.shape[1] === half;
      if (!fits) {
        const expected = describeType({ dtype: "int64", shape: rows as number[] });
        throw new GraphError("RotaryEmbedding", `needs positions ${expected}, tables (P, ${half})`, operands);
      }
      return [{ dtype, shape: x.shape }];
    },
    write: () => ({ domain: "com.microsoft", attributes: [{ name: "interleaved", int: 0 }] }),
  },
};
