/** @file The builder: records typed ops in the order they are applied, so that the list of nodes is already sorted. */
import type { AnyOp, Attrs, Inputs } from "./op-signatures";
import type { OpSpec } from "./op-spec";
import { servingOps } from "./serving-ops";
import {
  type Dim,
  type DType,
  dtypes,
  GraphError,
  isSameShape,
  normalizeAxis,
  type Shape,
  sizeOf,
  type TensorType,
} from "./tensor-type";
import { trainingOps } from "./training-ops";
import type { AnyNode, Node, Value, WeightData } from "./value";

export type { OpName, ServingOp } from "./op-signatures";
export type { AnyNode, Node, Value } from "./value";

/** Nodes [from, to) of a graph, in the order of recording. */
export type NodeRange = { from: number; to: number };

const opTable: { readonly [K in AnyOp]: OpSpec<K> } = { ...trainingOps, ...servingOps };

/** The table row of an op, at its own type. */
export function opSpec<K extends AnyOp>(op: K): OpSpec<K> {
  return opTable[op];
}

const scalarBytes: { readonly [K in DType]?: (value: number) => ArrayBufferView } = {
  float32: (value) => Float32Array.of(value),
  float64: (value) => Float64Array.of(value),
  int64: (value) => BigInt64Array.of(BigInt(value)),
  int32: (value) => Int32Array.of(value),
  bool: (value) => Uint8Array.of(value),
};

export class Graph {
  readonly nodes: AnyNode[] = [];
  readonly inputs: Value[] = [];
  readonly initializers: Value[] = [];
  readonly outputs: { readonly name: string; readonly value: Value }[] = [];
  readonly #names = new Set<string>();
  readonly #scalars = new Map<string, Value>();
  #substitute: ((operand: Value) => Value) | null = null;

  /** A tensor fed at each run. */
  input(name: string, dtype: DType, shape: Shape): Value {
    const value: Value = { name: this.#claim(name), dtype, shape, source: { kind: "input" } };
    this.inputs.push(value);
    return value;
  }

  /** A tensor stored in the model. `data` is little-endian and in row-major order. */
  initializer(name: string, type: TensorType, data: WeightData | ArrayBufferView): Value {
    const weight: WeightData = ArrayBuffer.isView(data)
      ? { kind: "bytes", bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
      : data;
    const sizeBytes = weight.kind === "bytes" ? weight.bytes.byteLength : weight.sizeBytes;
    if (sizeBytes !== sizeOf(type.shape) * dtypes[type.dtype].sizeBytes) {
      throw new GraphError("initializer", `${name} has ${sizeBytes} bytes`, [type]);
    }
    const value: Value = { name: this.#claim(name), ...type, source: { kind: "initializer", data: weight } };
    this.initializers.push(value);
    return value;
  }

  /** A scalar, stored once for each element type and value. */
  scalar(value: number, dtype: DType = "float32"): Value {
    const key = `${dtype} ${value}`;
    const known = this.#scalars.get(key);
    if (known) return known;
    const bytes = scalarBytes[dtype]?.(value);
    if (!bytes) throw new GraphError("scalar", `no ${dtype} scalars`, []);
    const created = this.initializer(`scalar_${this.#scalars.size}`, { dtype, shape: [] }, bytes);
    this.#scalars.set(key, created);
    return created;
  }

  /** Makes a value one of the model's results, under a name of its own. */
  output(name: string, value: Value): void {
    this.outputs.push({ name: this.#claim(name), value });
  }

  /** Records an op and returns its first output, the one gradients flow through. */
  apply<K extends AnyOp>(op: K, inputs: Inputs<K>, attrs: Attrs<K>): Value {
    return this.record(op, inputs, attrs).output;
  }

  /** Records an op. Throws GraphError, naming op and shapes, when the operands do not fit. */
  record<K extends AnyOp>(op: K, given: Inputs<K>, attrs: Attrs<K>): Node<K> {
    const inputs = this.#operands(given);
    const types = opSpec(op).infer(inputs, attrs);
    const outputs: Value[] = [];
    const [first] = types;
    if (first === undefined) throw new GraphError(op, "has no output", [...inputs]);
    const node = { op, inputs, attrs, outputs } as unknown as { -readonly [P in keyof Node<K>]: Node<K>[P] };
    const base = `${op}_${this.nodes.length}`;
    for (const [index, type] of types.entries()) {
      const name = this.#claim(index === 0 ? base : `${base}_${index}`);
      outputs.push({ name, ...type, source: { kind: "node", node: node as unknown as AnyNode, index } });
    }
    node.output = outputs[0] as Value;
    this.nodes.push(node as unknown as AnyNode);
    return node;
  }

  /** While `body` runs, ops are recorded on what `substitute` gives for each operand, which must be of its type. */
  substituting<T>(substitute: (operand: Value) => Value, body: () => T): T {
    const before = this.#substitute;
    this.#substitute = substitute;
    try {
      return body();
    } finally {
      this.#substitute = before;
    }
  }

  add = (a: Value, b: Value) => this.apply("Add", [a, b], {});
  sub = (a: Value, b: Value) => this.apply("Sub", [a, b], {});
  mul = (a: Value, b: Value) => this.apply("Mul", [a, b], {});
  div = (a: Value, b: Value) => this.apply("Div", [a, b], {});
  neg = (x: Value) => this.apply("Neg", [x], {});
  exp = (x: Value) => this.apply("Exp", [x], {});
  sigmoid = (x: Value) => this.apply("Sigmoid", [x], {});
  matMul = (a: Value, b: Value) => this.apply("MatMul", [a, b], {});
  where = (condition: Value, a: Value, b: Value) => this.apply("Where", [condition, a, b], {});
  cast = (x: Value, to: DType) => (x.dtype === to ? x : this.apply("Cast", [x], { to }));
  concat = (inputs: Value[], axis: number) => this.apply("Concat", inputs, { axis });
  gather = (table: Value, ids: Value, axis = 0) => this.apply("Gather", [table, ids], { axis });
  softmax = (x: Value, axis = -1) => this.apply("Softmax", [x], { axis });
  transpose = (x: Value, perm: readonly number[]) => this.apply("Transpose", [x], { perm });

  /** x with its last two axes exchanged. */
  transposeLast(x: Value): Value {
    const perm = x.shape.map((_, i) => i);
    return this.transpose(x, [...perm.slice(0, -2), perm.length - 1, perm.length - 2]);
  }

  reshape(x: Value, shape: Shape): Value {
    return isSameShape(x.shape, shape) ? x : this.apply("Reshape", [x], { shape });
  }

  slice(x: Value, axis: number, start: number, end: number): Value {
    return this.apply("Slice", [x], { axis, start, end });
  }

  /** Scales by a constant. */
  scale(x: Value, factor: number): Value {
    return factor === 1 ? x : this.mul(x, this.scalar(factor, x.dtype));
  }

  /** Sum over an axis, which stays with size 1. */
  reduceSum(x: Value, axis: number): Value {
    return this.apply("ReduceSum", [x], { axes: [axis], keepDims: true });
  }

  reduceMean(x: Value, axis: number): Value {
    return this.apply("ReduceMean", [x], { axes: [axis], keepDims: true });
  }

  /** A tensor filled with one number. */
  full(shape: readonly number[], value: number, dtype: DType = "float32"): Value {
    return this.apply("Expand", [this.scalar(value, dtype)], { shape });
  }

  /** Sums away what broadcasting added, giving `shape`: the gradient of a broadcast operand. */
  sumTo(x: Value, shape: Shape): Value {
    if (isSameShape(x.shape, shape)) return x;
    const added = x.shape.length - shape.length;
    const isStretched = (dim: Dim, i: number) => i < added || (shape[i - added] === 1 && dim !== 1);
    const axes = x.shape.flatMap((dim, i) => (isStretched(dim, i) ? [i] : []));
    const summed = axes.length > 0 ? this.apply("ReduceSum", [x], { axes, keepDims: true }) : x;
    return this.reshape(summed, shape);
  }

  /** Zeros of x's shape. Where that has a symbol they are made of x, which should then be finite. */
  zerosLike(x: Value): Value {
    const sizes = x.shape.filter((dim) => typeof dim === "number");
    return sizes.length === x.shape.length ? this.full(sizes, 0, x.dtype) : this.scale(x, 0);
  }

  /**
   * Adds updates onto zeros: the gradient of `gather`.
   * @param ids (…I) @param updates the table's shape with `axis` replaced by (…I)
   */
  scatterAdd(table: Value, ids: Value, updates: Value, axis: number): Value {
    if (normalizeAxis("scatterAdd", axis, table) !== 0) {
      throw new GraphError("scatterAdd", `only rows (axis 0) can be added to, not axis ${axis}`, [
        table,
        ids,
      ]);
    }
    const zeros = this.zerosLike(table);
    const indices = this.reshape(ids, [...ids.shape, 1]);
    return this.apply("ScatterND", [zeros, indices, updates], { reduction: "add" });
  }

  #operands<K extends AnyOp>(given: Inputs<K>): Inputs<K> {
    const substitute = this.#substitute;
    if (substitute === null) return given;
    // What the substitute records itself is taken as it is.
    this.#substitute = null;
    const operands = given.map((value) => value && substitute(value)) as Inputs<K>;
    this.#substitute = substitute;
    return operands;
  }

  #claim(name: string): string {
    if (this.#names.has(name)) throw new GraphError("name", `"${name}" is taken`, []);
    this.#names.add(name);
    return name;
  }
}
