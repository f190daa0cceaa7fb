/** @file Output shapes of the ops whose rule is longer than a line. Symbols are carried through where they stay whole. */
import {
  broadcast,
  type Dim,
  dimAt,
  GraphError,
  normalizeAxis,
  type Shape,
  type TensorType,
} from "./tensor-type";

/** (…, M, K) @ (…, K, N) -> (…, M, N), batch dimensions broadcast. */
export function matMulShape(op: string, a: TensorType, b: TensorType, transB = false): Shape {
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new GraphError(op, "needs operands of rank 2 or more", [a, b]);
  }
  const [inner, columns] = transB ? [-1, -2] : [-2, -1];
  if (dimAt(op, a, -1) !== dimAt(op, b, inner)) throw new GraphError(op, "inner dimensions differ", [a, b]);
  const batch = broadcast(
    op,
    { dtype: a.dtype, shape: a.shape.slice(0, -2) },
    { dtype: b.dtype, shape: b.shape.slice(0, -2) },
  );
  return [...batch, dimAt(op, a, -2), dimAt(op, b, columns)];
}

export function transposeShape(op: string, x: TensorType, perm: readonly number[]): Shape {
  const isPermutation = perm.length === x.shape.length && new Set(perm).size === perm.length;
  if (!isPermutation) throw new GraphError(op, `[${perm}] does not permute the axes`, [x]);
  return perm.map((axis) => dimAt(op, x, axis));
}

/** Checks that a reshape keeps the number of elements, so far as it can be known. */
export function reshapeShape(op: string, x: TensorType, shape: Shape): Shape {
  const symbols = (dims: Shape) => dims.filter((dim) => typeof dim === "string").sort();
  const fixed = (dims: Shape) => dims.reduce<number>((n, dim) => (typeof dim === "number" ? n * dim : n), 1);
  const sameSymbols = symbols(x.shape).join() === symbols(shape).join();
  if (sameSymbols && fixed(x.shape) !== fixed(shape)) {
    throw new GraphError(op, `cannot become [${shape.join(", ")}]`, [x]);
  }
  const deduced = shape.filter((dim, i) => typeof dim === "string" && dim !== x.shape[i]);
  if (deduced.length > 1)
    throw new GraphError(op, `[${shape.join(", ")}] leaves more than one size open`, [x]);
  return shape;
}

/** ONNX's spelling of a reshape target: 0 copies the input's size, -1 is deduced. */
export function reshapeOperand(x: TensorType, shape: Shape): number[] {
  return shape.map((dim, i) => (typeof dim === "number" ? dim : dim === x.shape[i] ? 0 : -1));
}

export function concatShape(op: string, inputs: readonly TensorType[], axis: number): Shape {
  const [first] = inputs;
  if (first === undefined) throw new GraphError(op, "needs at least one operand", inputs);
  const along = normalizeAxis(op, axis, first);
  return first.shape.map((dim, i) => {
    const dims = inputs.map((input) => input.shape[i] as Dim);
    if (i !== along) {
      const agree = inputs.every(
        (input) => input.shape.length === first.shape.length && input.shape[i] === dim,
      );
      if (!agree) throw new GraphError(op, `sizes differ on axis ${i}`, inputs);
      return dim;
    }
    if (dims.every((size) => typeof size === "number")) {
      return dims.reduce<number>((sum, size) => sum + Number(size), 0);
    }
    return dims.length > 1 && dims.every((size) => size === dim) ? `${dims.length}*${dim}` : dims.join("+");
  });
}

export function sliceShape(op: string, x: TensorType, axis: number, start: number, end: number): Shape {
  const along = normalizeAxis(op, axis, x);
  const size = x.shape[along];
  if (start < 0 || end <= start || (typeof size === "number" && end > size)) {
    throw new GraphError(op, `[${start}, ${end}) is not a range of axis ${axis}`, [x]);
  }
  return x.shape.with(along, end - start);
}

export function padShape(op: string, x: TensorType, axis: number, before: number, after: number): Shape {
  const along = normalizeAxis(op, axis, x);
  const size = x.shape[along];
  if (typeof size === "string") throw new GraphError(op, `axis ${axis} has no fixed size`, [x]);
  if (before < 0 || after < 0 || size === undefined) throw new GraphError(op, "padding is negative", [x]);
  return x.shape.with(along, before + size + after);
}

/** Rows of `table` along `axis`, one for each id. */
export function gatherShape(op: string, table: TensorType, ids: TensorType, axis: number): Shape {
  expectIds(op, [table, ids], ids);
  const along = normalizeAxis(op, axis, table);
  return [...table.shape.slice(0, along), ...ids.shape, ...table.shape.slice(along + 1)];
}

export function expectIds(op: string, operands: readonly TensorType[], ids: TensorType): void {
  if (ids.dtype !== "int64" && ids.dtype !== "int32")
    throw new GraphError(op, "ids must be integers", operands);
}

/** Updates are (…ids without its last axis, …target after the indexed axes). */
export function scatterNdShape(op: string, target: TensorType, ids: TensorType, updates: TensorType): Shape {
  expectIds(op, [target, ids, updates], ids);
  const depth = dimAt(op, ids, -1);
  if (typeof depth !== "number")
    throw new GraphError(op, "index depth must be fixed", [target, ids, updates]);
  const expected = [...ids.shape.slice(0, -1), ...target.shape.slice(depth)];
  const fits =
    expected.length === updates.shape.length && expected.every((dim, i) => dim === updates.shape[i]);
  if (!fits || updates.dtype !== target.dtype) {
    throw new GraphError(op, `updates must be [${expected.join(", ")}]`, [target, ids, updates]);
  }
  return target.shape;
}

/** Every axis but `axis` of the ids must fit within the target; updates have the ids' shape. */
export function expectElementIds(op: string, target: TensorType, ids: TensorType, axis: number): void {
  expectIds(op, [target, ids], ids);
  const along = normalizeAxis(op, axis, target);
  const fits =
    ids.shape.length === target.shape.length &&
    ids.shape.every((dim, i) => i === along || dim === target.shape[i]);
  if (!fits) throw new GraphError(op, `ids must equal the operand outside axis ${axis}`, [target, ids]);
}

/** Throws unless `vector` is (size of x's last axis). */
export function expectLastAxisVector(op: string, x: TensorType, vector: TensorType): void {
  if (vector.shape.length !== 1 || vector.shape[0] !== dimAt(op, x, -1)) {
    throw new GraphError(op, "a vector over the last axis is needed", [x, vector]);
  }
}
