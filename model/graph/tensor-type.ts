/** @file Element types, shapes with symbolic dimensions, and the errors that name them. Knows no ops. */

/** Element types the graph can hold, by their ONNX names in TypeScript spelling. */
export type DType = "float32" | "float64" | "float16" | "int64" | "int32" | "int8" | "uint8" | "bool";

/** A size, or the name of one that is known only when the graph runs ("batch", "time"). */
export type Dim = number | string;
export type Shape = readonly Dim[];
export type TensorType = { readonly dtype: DType; readonly shape: Shape };

/** Bytes per element, and the number ONNX gives the type in `TensorProto.DataType`. */
export const dtypes: { readonly [K in DType]: { sizeBytes: number; onnx: number } } = {
  float32: { sizeBytes: 4, onnx: 1 },
  uint8: { sizeBytes: 1, onnx: 2 },
  int8: { sizeBytes: 1, onnx: 3 },
  int32: { sizeBytes: 4, onnx: 6 },
  int64: { sizeBytes: 8, onnx: 7 },
  bool: { sizeBytes: 1, onnx: 9 },
  float16: { sizeBytes: 2, onnx: 10 },
  float64: { sizeBytes: 8, onnx: 11 },
};

/** An op was given operands it cannot take; the message names the op and the operands' types. */
export class GraphError extends Error {
  override readonly name = "GraphError";
  readonly op: string;
  constructor(op: string, fact: string, operands: readonly (TensorType | null)[]) {
    super(`${op}: ${fact} (${operands.map(describeType).join(", ")})`);
    this.op = op;
  }
}

/** For example `float32[batch, 576]`. */
export function describeType(type: TensorType | null): string {
  return type === null ? "none" : `${type.dtype}[${type.shape.join(", ")}]`;
}

/** Number of elements; throws when a dimension is symbolic. */
export function sizeOf(shape: Shape): number {
  return shape.reduce<number>((size, dim) => {
    if (typeof dim === "string") throw new GraphError("sizeOf", `"${dim}" has no fixed size`, []);
    return size * dim;
  }, 1);
}

export function isSameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** An axis counted from the front, for one possibly counted from the end. */
export function normalizeAxis(op: string, axis: number, type: TensorType): number {
  const rank = type.shape.length;
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new GraphError(op, `axis ${axis} is outside rank ${rank}`, [type]);
  }
  return axis < 0 ? axis + rank : axis;
}

/** The dimension at an axis, which may be counted from the end. */
export function dimAt(op: string, type: TensorType, axis: number): Dim {
  return type.shape[normalizeAxis(op, axis, type)] as Dim;
}

/** The shape both broadcast to by numpy's rules; a symbol meets only itself or 1. */
export function broadcast(op: string, ...types: readonly TensorType[]): Shape {
  const rank = Math.max(...types.map(({ shape }) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let result: Dim = 1;
    for (const { shape } of types) {
      const dim = shape[i - rank + shape.length] ?? 1;
      if (dim === 1 || dim === result) continue;
      if (result !== 1) throw new GraphError(op, "shapes do not broadcast", types);
      result = dim;
    }
    return result;
  });
}
