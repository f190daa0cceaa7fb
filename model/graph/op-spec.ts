/** @file The row each op has in an op table: how its output types follow from its operands, and how ONNX spells it. */
import type { AnyOp, Attrs, Inputs, OpSignatures } from "./op-signatures";
import { broadcast, type DType, GraphError, normalizeAxis, type TensorType } from "./tensor-type";
import type { Value } from "./value";

export type OnnxAttribute =
  | { name: string; int: number }
  | { name: string; float: number }
  | { name: string; string: string }
  | { name: string; ints: readonly number[] };

/** How a node is written. Everything left out is ONNX's plain case: same name, no attributes. */
export type OnnxForm = {
  domain?: "com.microsoft";
  attributes?: readonly OnnxAttribute[];
  /** Operands in ONNX order where it is not the node's; null leaves an optional one out. */
  inputs?: readonly (Value | null)[];
  /** int64 vectors appended to the inputs; null leaves an optional one out. */
  operands?: readonly (readonly number[] | null)[];
  /** ONNX position of each output where they are not simply the first ones. */
  outputSlots?: readonly number[];
};

export type OpSpec<K extends AnyOp> = {
  /** The outputs' types; throws GraphError when the operands do not fit. */
  infer(inputs: Inputs<K>, attrs: Attrs<K>): readonly TensorType[];
  write?(attrs: Attrs<K>, inputs: Inputs<K>): OnnxForm;
};

type UnaryOp = {
  [K in AnyOp]: OpSignatures[K]["inputs"] extends [x: infer _] ? K : never;
}[AnyOp];
type BinaryOp = {
  [K in AnyOp]: OpSignatures[K]["inputs"] extends [a: infer _, b: infer _] ? K : never;
}[AnyOp];

export const floatTypes: readonly DType[] = ["float32", "float64", "float16"];

/** Throws unless every operand has the same element type, one of `allowed` if given. */
export function expectSameDType(op: string, types: readonly TensorType[], allowed?: readonly DType[]): DType {
  const dtype = types[0]?.dtype;
  if (dtype === undefined) throw new GraphError(op, "needs at least one operand", types);
  if (types.some((type) => type.dtype !== dtype)) throw new GraphError(op, "element types differ", types);
  if (allowed && !allowed.includes(dtype)) {
    throw new GraphError(op, `takes ${allowed.join(" or ")}, not ${dtype}`, types);
  }
  return dtype;
}

/** y = f(x) element by element, in floating point. */
export function elementwise<K extends UnaryOp>(op: K): OpSpec<K> {
  return {
    infer: ([x]) => [{ dtype: expectSameDType(op, [x], floatTypes), shape: x.shape }],
  } as OpSpec<K>;
}

/** y = f(a, b) with broadcasting; `result` where the output's element type is not the operands'. */
export function broadcasting<K extends BinaryOp>(op: K, result?: DType): OpSpec<K> {
  return {
    infer: ([a, b]: [TensorType, TensorType]) => {
      const dtype = expectSameDType(op, [a, b]);
      return [{ dtype: result ?? dtype, shape: broadcast(op, a, b) }];
    },
  } as unknown as OpSpec<K>;
}

/** y = f(x) along one axis, keeping the shape (Softmax and kin). */
export function alongAxis<K extends "Softmax" | "LogSoftmax">(op: K): OpSpec<K> {
  const spec: OpSpec<"Softmax"> = {
    infer: ([x], { axis }) => {
      normalizeAxis(op, axis, x);
      return [{ dtype: expectSameDType(op, [x], floatTypes), shape: x.shape }];
    },
    write: ({ axis }) => ({ attributes: [{ name: "axis", int: axis }] }),
  };
  return spec as OpSpec<K>;
}

type ReductionOp = "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceLogSumExp";

export function reduction<K extends ReductionOp>(op: K): OpSpec<K> {
  const spec: OpSpec<"ReduceSum"> = {
    infer: ([x], { axes, keepDims }) => {
      if (axes.length === 0) throw new GraphError(op, "reduces over no axis", [x]);
      const reduced = new Set(axes.map((axis) => normalizeAxis(op, axis, x)));
      const shape = keepDims
        ? x.shape.map((dim, i) => (reduced.has(i) ? 1 : dim))
        : x.shape.filter((_, i) => !reduced.has(i));
      return [{ dtype: x.dtype, shape }];
    },
    write: ({ axes, keepDims }) => ({
      operands: [axes],
      attributes: [{ name: "keepdims", int: keepDims ? 1 : 0 }],
    }),
  };
  return spec as OpSpec<K>;
}
