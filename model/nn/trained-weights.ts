/** @file Weights while training: float32 graph inputs, of which all are trained, or low-rank adapters beside them. */
import type { Graph, Value } from "@/model/graph/graph";
import type { LinearLayer, ModelWeights, Table } from "./weights";

/** LoRA (arXiv 2106.09685): y = x Wᵀ + alpha / rank * (x Aᵀ) Bᵀ on layers whose name ends with a target. */
export type LoraShape = { rank: number; alpha: number; targets: readonly string[] };

/** The product of matrices as Gemm, whose gradients are Gemms again: no weight is ever transposed in memory. */
export class TrainedWeights implements ModelWeights {
  /** What a step changes, by name: the model's own names, or PEFT's for an adapter. In order of first use. */
  readonly trained = new Map<string, Value>();
  /** The base under an adapter; empty when everything is trained. */
  readonly frozen = new Map<string, Value>();
  readonly #constants = new Map<string, Value>();

  constructor(readonly lora: LoraShape | null) {}

  linear(g: Graph, x: Value, layers: readonly LinearLayer[]): Value[] {
    const rows = asRows(g, x);
    const adapted = this.#adapt(g, rows, layers);
    return layers.map((layer) => {
      const { name, inSize, outSize, hasBias, isInOut = false } = layer;
      const stored = this.#base(g, `${name}.weight`, isInOut ? [inSize, outSize] : [outSize, inSize]);
      let y = g.apply("Gemm", [rows, stored], { transA: false, transB: !isInOut });
      const change = adapted.get(layer);
      if (change !== undefined) y = g.add(y, change);
      if (hasBias) y = g.add(y, this.#base(g, `${name}.bias`, [outSize]));
      return g.reshape(y, x.shape.with(-1, outSize));
    });
  }

  tiedHead(g: Graph, x: Value, table: Table): Value {
    const y = g.apply("Gemm", [asRows(g, x), this.table(g, table)], { transA: false, transB: true });
    return g.reshape(y, x.shape.with(-1, table.rows));
  }

  embed(g: Graph, ids: Value, table: Table): Value {
    return g.gather(this.table(g, table), ids);
  }

  vector(g: Graph, name: string, size: number): Value {
    return this.#base(g, name, [size]);
  }

  constant(g: Graph, name: string, shape: readonly number[], data: () => Float32Array): Value {
    const known = this.#constants.get(name) ?? g.initializer(name, { dtype: "float32", shape }, data());
    this.#constants.set(name, known);
    return known;
  }

  /** A table as it is: (rows, width). */
  table(g: Graph, { name, rows, width }: Table): Value {
    return this.#base(g, `${name}.weight`, [rows, width]);
  }

  /** A head beside the model, trained whatever else is: (rows, width). It has no bias. */
  newHead(g: Graph, { name, rows, width }: Table): Value {
    return this.#parameter(g, this.trained, newHeadName(name, this.lora), [rows, width]);
  }

  isTrained(value: Value): boolean {
    return this.trained.get(value.name) === value;
  }

  /** A parameter of the model itself. */
  #base(g: Graph, name: string, shape: readonly number[]): Value {
    return this.#parameter(g, this.lora === null ? this.trained : this.frozen, name, shape);
  }

  /**
   * alpha / rank * (x Aᵀ) Bᵀ of the layers that have an adapter. They read the same x, so their A are one product: three
   * of rank 16 take hardly longer than one.
   */
  #adapt(g: Graph, rows: Value, layers: readonly LinearLayer[]): ReadonlyMap<LinearLayer, Value> {
    const { lora } = this;
    const adapted = layers.filter(({ name }) => lora !== null && isTarget(lora, name));
    if (lora === null || adapted.length === 0) return new Map();
    const { rank, alpha } = lora;
    const factors = adapted.map(({ name, inSize, outSize }) => ({
      down: this.#parameter(g, this.trained, loraName(name, "A"), [rank, inSize]),
      up: this.#parameter(g, this.trained, loraName(name, "B"), [outSize, rank]),
    }));
    const down = g.concat(
      factors.map((factor) => factor.down),
      0,
    ); // (layers * rank, in)
    const narrow = g.apply("Gemm", [rows, down], { transA: false, transB: true }); // (rows, layers * rank)
    return new Map(
      adapted.map((layer, i) => {
        const part = factors.length === 1 ? narrow : g.slice(narrow, 1, i * rank, (i + 1) * rank);
        // Scaled after it was transposed: so the gradient of Bᵀ is a product with 16 rows, which is a third faster than one
        // with 16 columns, and the runtime does not fold the transposition back into it.
        const up = g.scale(g.transposeLast(factors[i]?.up ?? part), alpha / rank); // (rank, out)
        return [layer, g.apply("Gemm", [part, up], { transA: false, transB: false })];
      }),
    );
  }

  #parameter(g: Graph, into: Map<string, Value>, name: string, shape: readonly number[]): Value {
    const known = into.get(name) ?? g.input(name, "float32", shape);
    into.set(name, known);
    return known;
  }
}

/** As PEFT writes it into adapter_model.safetensors. */
export function loraName(layer: string, side: "A" | "B"): string {
  return `base_model.model.${layer}.lora_${side}.weight`;
}

/** A head trained beside an adapter is stored with it, as PEFT does with `modules_to_save`. */
export function newHeadName(head: string, lora: LoraShape | null): string {
  return `${lora === null ? "" : "base_model.model."}${head}.weight`;
}

export function isTarget({ targets }: LoraShape, layer: string): boolean {
  return targets.some((target) => layer === target || layer.endsWith(`.${target}`));
}

/** (…, D) -> (rows, D). Of the sizes before the last one may be a symbol, and all others are then 1. */
function asRows(g: Graph, x: Value): Value {
  const width = Number(x.shape.at(-1) ?? 1);
  const symbol = x.shape.find((dim) => typeof dim === "string");
  if (symbol !== undefined) return g.reshape(x, [symbol, width]);
  return g.reshape(x, [x.shape.map(Number).reduce((product, size) => product * size, 1) / width, width]);
}
