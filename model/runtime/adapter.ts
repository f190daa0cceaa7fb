/** @file A PEFT LoRA adapter beside the base's weights: y = W x + (alpha / r) B (A x), without merging. */
import path from "node:path";
import { AdapterError, adapterWeightsFile, readAdapterConfig } from "../checkpoint/adapter-config";
import { openSafetensors } from "../checkpoint/safetensors-reader";
import type { Graph, Value } from "../graph/graph";
import type { LinearLayer } from "../nn/weights";

/** A (r, in) and B (out, r) of one layer. */
type Factors = { down: Float32Array; up: Float32Array };

/** Layers computed as one, and their factors as one product reads them. */
type Placement = {
  layers: readonly LinearLayer[];
  /** A graph's names of the two. */
  name: string;
  down: Float32Array;
  up: Float32Array;
  width: number;
  outSize: number;
};

export class Adapter {
  readonly #layers: ReadonlyMap<string, Factors>;
  readonly #rank: number;
  readonly #scale: number;
  readonly #isLive: boolean;
  readonly #placements: Placement[] = [];
  readonly #placed = new Set<string>();

  /** @param isLive its factors are inputs of the graph, so that they may change after it was compiled: see `refresh` */
  constructor(
    layers: ReadonlyMap<string, Factors>,
    { rank, scale, isLive = false }: { rank: number; scale: number; isLive?: boolean },
  ) {
    this.#layers = layers;
    this.#rank = rank;
    this.#scale = scale;
    this.#isLive = isLive;
  }

  /** Takes over what the factors' arrays hold by now. */
  refresh(): void {
    for (const placement of this.#placements) this.#fill(placement);
  }

  /** What a graph with a live adapter is fed. The arrays stay the same ones; `refresh` changes them. */
  get inputs(): { name: string; data: Float32Array; shape: [number, number] }[] {
    if (!this.#isLive) return [];
    return this.#placements.flatMap(({ name, down, up, width, outSize }) => [
      { name: `${name}.lora_A`, data: down, shape: [down.length / width, width] as [number, number] },
      { name: `${name}.lora_B`, data: up, shape: [width, outSize] as [number, number] },
    ]);
  }

  /** Throws when a model was built and the adapter changes a layer it does not have: it belongs to another base. */
  expectPlaced(): void {
    const missing = [...this.#layers.keys()].find((name) => !this.#placed.has(name));
    if (missing)
      throw new AdapterError(`The adapter changes ${missing}, but this model has no layer of that name`);
  }

  /**
   * The sum that the adapter adds to layers computed as one; null where it touches none of them. Their A are stacked,
   * their B stand on a diagonal. x (…, in) -> (…, Σ out)
   */
  product(g: Graph, x: Value, layers: readonly LinearLayer[]): Value | null {
    const touched = layers.filter(({ name }) => this.#layers.has(name));
    const [first] = layers;
    if (touched.length === 0 || !first) return null;
    const width = touched.length * this.#rank;
    const outSize = layers.reduce((sum, layer) => sum + layer.outSize, 0);
    const placement: Placement = {
      layers,
      name: layers.map((layer) => layer.name).join("+"),
      down: new Float32Array(first.inSize * width),
      up: new Float32Array(width * outSize),
      width,
      outSize,
    };
    this.#fill(placement);
    this.#placements.push(placement);
    const hold = (name: string, shape: readonly number[], data: Float32Array) =>
      this.#isLive ? g.input(name, "float32", shape) : g.initializer(name, { dtype: "float32", shape }, data);
    const a = hold(`${placement.name}.lora_A`, [first.inSize, width], placement.down);
    const b = hold(`${placement.name}.lora_B`, [width, outSize], placement.up);
    return g.matMul(g.matMul(x, a), b);
  }

  #fill({ layers, ...into }: Placement): void {
    let rankAt = 0;
    let outAt = 0;
    for (const layer of layers) {
      const factors = this.#layers.get(layer.name);
      if (factors) {
        this.#expectSizes(layer, factors);
        this.#placed.add(layer.name);
        this.#place(factors, layer, { ...into, rankAt, outAt });
        rankAt += this.#rank;
      }
      outAt += layer.outSize;
    }
  }

  /** Transposes A into its columns and B, scaled, into its block. */
  #place(
    { down, up }: Factors,
    { inSize, outSize: rows }: LinearLayer,
    into: Omit<Placement, "layers" | "name"> & { rankAt: number; outAt: number },
  ): void {
    for (let r = 0; r < this.#rank; r++) {
      for (let i = 0; i < inSize; i++)
        into.down[i * into.width + into.rankAt + r] = down[r * inSize + i] as number;
      for (let o = 0; o < rows; o++) {
        into.up[(into.rankAt + r) * into.outSize + into.outAt + o] =
          this.#scale * (up[o * this.#rank + r] as number);
      }
    }
  }

  #expectSizes({ name, inSize, outSize }: LinearLayer, { down, up }: Factors): void {
    if (down.length !== this.#rank * inSize || up.length !== outSize * this.#rank) {
      throw new AdapterError(`The adapter's factors of ${name} do not fit a (${outSize}, ${inSize}) layer`);
    }
  }
}

/**
 * Reads a PEFT folder (`adapter_config.json`, `adapter_model.safetensors`).
 * @throws AdapterError for another kind of adapter than plain LoRA on linear layers
 */
export async function openAdapter(folder: string): Promise<Adapter> {
  const { r, lora_alpha: alpha, use_rslora: isRankStabilised } = await readAdapterConfig(folder);
  using tensors = openSafetensors([path.join(folder, adapterWeightsFile)]);
  const layers = new Map<string, Factors>();
  for (const name of tensors.names()) {
    const [, layer, factor] = /^base_model\.model\.(.+)\.lora_(A|B)\.weight$/.exec(name) ?? [];
    if (!layer || !factor)
      throw new AdapterError(`${folder} holds ${name}, which is no LoRA factor of a linear layer`);
    if (factor === "B") continue;
    layers.set(layer, {
      down: tensors.read(name),
      up: tensors.read(name.replace(".lora_A.", ".lora_B.")),
    });
  }
  return new Adapter(layers, { rank: r, scale: alpha / (isRankStabilised ? Math.sqrt(r) : r) });
}

/**
 * An adapter that is being trained, beside a graph that is compiled once.
 * @param trained arrays by PEFT's names, whose values `refresh` reads
 */
export function liveAdapter(
  trained: ReadonlyMap<string, { values: Float32Array }>,
  { rank, alpha }: { rank: number; alpha: number },
): Adapter {
  const layers = new Map<string, Factors>();
  for (const [name, { values: down }] of trained) {
    const layer = /^base_model\.model\.(.+)\.lora_A\.weight$/.exec(name)?.[1];
    if (layer === undefined) continue;
    const up = trained.get(name.replace(".lora_A.", ".lora_B."))?.values;
    if (up === undefined) throw new AdapterError(`${name} has no other factor`);
    layers.set(layer, { down, up });
  }
  return new Adapter(layers, { rank, scale: alpha / rank, isLive: true });
}
