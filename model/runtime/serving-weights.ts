/** @file Weights as a server has them: initializers in a file, quantised or not, with an adapter's products beside them. */
import type { TensorSource } from "../checkpoint/tensor-source";
import type { Graph, Value } from "../graph/graph";
import type { LinearLayer, ModelWeights, Table } from "../nn/weights";
import type { Adapter } from "./adapter";
import { type Bits, quantise } from "./quantise";
import type { NewTensor, StoredTensor, WeightStore } from "./weight-store";

export type Precision = "fp32" | "int8" | "int4";

/** Larger blocks read fewer scales, smaller ones round finer. */
const blockSize = 32;
/** Rounds the activations to int8 by block too: without it the 8-bit kernel is 15 times slower. */
const accuracyLevel = 4;

type Options = {
  precision: Precision;
  store: WeightStore;
  /** Needed only where the store has yet to be written. */
  tensors: Pick<TensorSource, "read">;
  adapter: Adapter | null;
  /** The token embedding, the one table worth quantising. */
  vocabulary: Table;
};

export class ServingWeights implements ModelWeights {
  readonly #options: Options;
  readonly #values = new Map<string, Value>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Layers given together become one product: their rows stand below each other. */
  linear(g: Graph, x: Value, layers: readonly LinearLayer[]): Value[] {
    const sizes = layers.map(({ outSize }) => outSize);
    const product = this.#product(g, x, layers);
    const lowRank = this.#options.adapter?.product(g, x, layers) ?? null;
    const y = lowRank ? g.add(product, lowRank) : product;
    return layers.length === 1 ? [y] : [...g.record("Split", [y, null], { axis: -1, sizes }).outputs];
  }

  tiedHead(g: Graph, x: Value, table: Table): Value {
    if (this.#isQuantised(table.width)) {
      const [weight, scales] = this.#quantisedTable(g, table);
      const layer = { K: table.width, N: table.rows, bits: 8 as const };
      return this.#matMulNBits(g, x, { weight, scales, bias: null }, layer);
    }
    const head = { name: table.name, inSize: table.width, outSize: table.rows, hasBias: false };
    return this.#product(g, x, [head]);
  }

  embed(g: Graph, ids: Value, table: Table): Value {
    if (table.name !== this.#options.vocabulary.name || !this.#isQuantised(table.width)) {
      return g.gather(this.vector(g, `${table.name}.weight`, table.rows, table.width), ids);
    }
    const [weight, scales] = this.#quantisedTable(g, table);
    const rows = this.#values.get(`${table.name}.rows`) ?? rowsOf(g, weight, table);
    this.#values.set(rows.name, rows);
    return g.apply("GatherBlockQuantized", [rows, ids, scales], { bits: 8, blockSize });
  }

  vector(g: Graph, name: string, ...shape: readonly number[]): Value {
    const make = () => [{ dtype: "float32" as const, shape, data: this.#options.tensors.read(name) }];
    return this.#once(g, name, `plain ${name}`, make)[0] as Value;
  }

  constant(g: Graph, name: string, shape: readonly number[], data: () => Float32Array): Value {
    const known = this.#values.get(name) ?? g.initializer(name, { dtype: "float32", shape }, data());
    this.#values.set(name, known);
    return known;
  }

  #isQuantised(columns: number): boolean {
    return this.#options.precision !== "fp32" && columns % blockSize === 0;
  }

  #product(g: Graph, x: Value, layers: readonly LinearLayer[]): Value {
    const name = layers.map((layer) => layer.name).join("+");
    const bias = this.#bias(g, name, layers);
    const inSize = layers[0]?.inSize ?? 0;
    const outSize = layers.reduce((sum, layer) => sum + layer.outSize, 0);
    if (this.#isQuantised(inSize)) {
      const bits: Bits = this.#options.precision === "int4" && layers[0]?.name !== "lm_head" ? 4 : 8;
      const shape = { rows: outSize, columns: inSize, bits, blockSize };
      const [weight, scales] = this.#once(g, name, `${bits} bits ${name}`, () => {
        const { data, scales } = quantise(this.#rows(layers), shape);
        return quantisedTensors(data, scales, shape);
      }) as [Value, Value];
      return this.#matMulNBits(g, x, { weight, scales, bias }, { K: inSize, N: outSize, bits });
    }
    const [weight] = this.#once(g, name, `columns ${name}`, () => {
      const data = transpose(this.#rows(layers), outSize, inSize);
      return [{ dtype: "float32", shape: [inSize, outSize], data }];
    }) as [Value];
    const y = g.matMul(x, weight);
    return bias ? g.add(y, bias) : y;
  }

  #matMulNBits(
    g: Graph,
    x: Value,
    { weight, scales, bias }: { weight: Value; scales: Value; bias: Value | null },
    layer: { K: number; N: number; bits: Bits },
  ): Value {
    return g.apply("MatMulNBits", [x, weight, scales, bias], { ...layer, blockSize, accuracyLevel });
  }

  #bias(g: Graph, name: string, layers: readonly LinearLayer[]): Value | null {
    if (!layers.some(({ hasBias }) => hasBias)) return null;
    const size = layers.reduce((sum, layer) => sum + layer.outSize, 0);
    const make = (): NewTensor[] => {
      const data = new Float32Array(size);
      let at = 0;
      for (const layer of layers) {
        if (layer.hasBias) data.set(this.#options.tensors.read(`${layer.name}.bias`), at);
        at += layer.outSize;
      }
      return [{ dtype: "float32", shape: [size], data }];
    };
    return this.#once(g, `${name}.bias`, `bias ${name}`, make)[0] as Value;
  }

  /** The layers' weights below each other. (Σ out, in) */
  #rows(layers: readonly LinearLayer[]): Float32Array {
    const parts = layers.map(({ name, inSize, outSize, isInOut }) => {
      const stored = this.#options.tensors.read(`${name}.weight`);
      return isInOut ? transpose(stored, inSize, outSize) : stored;
    });
    const [only] = parts;
    if (parts.length === 1 && only) return only;
    const rows = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      rows.set(part, at);
      at += part.length;
    }
    return rows;
  }

  /** The embedding and the head that shares it read the same bytes. */
  #quantisedTable(g: Graph, { name, rows, width }: Table): [weight: Value, scales: Value] {
    const shape = { rows, columns: width, bits: 8 as const, blockSize };
    return this.#once(g, name, `8 bits ${name}`, () => {
      const { data, scales } = quantise(this.#options.tensors.read(`${name}.weight`), shape);
      return quantisedTensors(data, scales, shape);
    }) as [Value, Value];
  }

  /** Initializers for what the store has under a key; the same ones when asked again. */
  #once(g: Graph, name: string, key: string, make: () => readonly NewTensor[]): Value[] {
    const stored: readonly StoredTensor[] = this.#options.store.tensors(key, make);
    return stored.map(({ dtype, shape, data }, i) => {
      const valueName = i === 0 ? name : `${name}.scales`;
      const known = this.#values.get(valueName) ?? g.initializer(valueName, { dtype, shape }, data);
      this.#values.set(valueName, known);
      return known;
    });
  }
}

/** The same bytes as MatMulNBits reads, in the shape a table has. */
function rowsOf(g: Graph, { source }: Value, { name, rows, width }: Table): Value {
  if (source.kind !== "initializer") throw new TypeError(`${name} holds no weights`);
  return g.initializer(`${name}.rows`, { dtype: "uint8", shape: [rows, width] }, source.data);
}

function quantisedTensors(
  data: Uint8Array,
  scales: Float32Array,
  { rows, columns, bits }: { rows: number; columns: number; bits: Bits },
): NewTensor[] {
  const blocks = columns / blockSize;
  return [
    { dtype: "uint8", shape: [rows, blocks, (blockSize * bits) / 8], data },
    { dtype: "float32", shape: [rows, blocks], data: scales },
  ];
}

/** (rows, columns) -> (columns, rows), in tiles that fit the cache. */
function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  const tile = 32;
  for (let top = 0; top < rows; top += tile) {
    for (let left = 0; left < columns; left += tile) {
      const bottom = Math.min(top + tile, rows);
      const right = Math.min(left + tile, columns);
      for (let i = top; i < bottom; i++) {
        for (let j = left; j < right; j++) result[j * rows + i] = matrix[i * columns + j] as number;
      }
    }
  }
  return result;
}
