/** @file A transformer with a cache for several sequences, run by ONNX Runtime: prompts in chunks, decoding in batches. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { ModelConfig } from "../checkpoint/model-config";
import { encodeOnnx } from "../graph/encode-onnx";
import type { Graph } from "../graph/graph";
import type { HeadLayout } from "../nn/attention";
import { headLayout } from "../nn/attention";
import type { Adapter } from "./adapter";
import { Cache, type CacheRows } from "./cache";
import type { NewRows } from "./cache-block";
import type { SlotModel } from "./slot-model";

/** Prompt chunks are filled up to a multiple of this, so that few shapes occur and the runtime's memory stays small. */
const chunkStep = 16;

type Options = {
  /** Where the graph's weight file lies. */
  folder: string;
  threads: number;
  slots: number;
  chunkTokens?: number;
  /** Whose factors the graph has as inputs; left out: there are none. */
  adapter?: Adapter | null;
};

type Step = { tokens: readonly (readonly number[])[]; past: readonly number[]; at: CacheRows };

export class TransformerSlots implements SlotModel {
  readonly slots: number;
  readonly chunkTokens: number;
  readonly contextLength: number;
  readonly vocabularySize: number;
  readonly #layerCount: number;
  readonly #heads: HeadLayout;
  readonly #session: InferenceSession;
  readonly #cache: Cache;
  /** The same with every run; what they hold may change between runs. */
  readonly #lasting: Record<string, Tensor>;

  private constructor(
    session: InferenceSession,
    config: ModelConfig,
    { slots, chunkTokens = 128, adapter }: Options,
  ) {
    const inputs = adapter?.inputs ?? [];
    this.#lasting = Object.fromEntries(
      inputs.map(({ name, data, shape }) => [name, new Tensor("float32", data, shape)]),
    );
    this.slots = slots;
    this.chunkTokens = chunkTokens;
    this.contextLength = config.contextLength;
    this.vocabularySize = config.vocabularySize;
    this.#layerCount = config.layerCount;
    this.#session = session;
    this.#heads = headLayout(config);
    const { layerCount, contextLength } = config;
    this.#cache = new Cache({ layerCount, ...this.#heads }, { slots, contextLength });
  }

  /** @param graph as `buildServingGraph` makes it */
  static async create(graph: Graph, config: ModelConfig, options: Options): Promise<TransformerSlots> {
    const session = await InferenceSession.create(encodeOnnx(graph), {
      executionProviders: ["cpu"],
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      // Lengths change with every run: plans for one shape would pile up.
      enableMemPattern: false,
      logSeverityLevel: 3,
      extra: {
        session: {
          model_external_initializers_file_folder_path: options.folder,
          // Threads that spin between nodes take the cores from web and trainer, and from each other (LOG.md).
          intra_op: { allow_spinning: "0" },
        },
      },
    });
    return new TransformerSlots(session, config, options);
  }

  get cacheBytes(): number {
    return this.#cache.sizeBytes;
  }

  truncate(slot: number, length: number): void {
    this.#cache.truncate(slot, length);
  }

  copy(from: number, to: number, length: number): void {
    this.#cache.copy(from, to, length);
  }

  async prefill(slot: number, tokens: readonly number[]): Promise<Float32Array> {
    const [logits] = await this.#readChunk(slot, tokens, [tokens.length - 1]);
    return logits as Float32Array;
  }

  /** Like `prefill`, with logits after each of the tokens: for scoring texts. @returns (V) for each token */
  async score(slot: number, tokens: readonly number[]): Promise<Float32Array[]> {
    return this.#readChunk(slot, tokens, [...tokens.keys()]);
  }

  async decode(rows: readonly { slot: number; tokenId: number }[]): Promise<Float32Array[]> {
    const tokenOf = new Map(rows.map(({ slot, tokenId }) => [slot, tokenId]));
    const logitsOf = new Map<number, Float32Array>();
    for (const { slots, at } of this.#cache.arrange([...tokenOf.keys()], 1)) {
      const tokens = slots.map((slot) => [tokenOf.get(slot) ?? 0]);
      const past = slots.map((slot) => this.#cache.length(slot));
      const { logits, added } = await this.#run({ tokens, past, at }, [...slots.keys()]);
      for (const [index, slot] of slots.entries()) {
        this.#cache.append(slot, { ...added, index, count: 1 });
        logitsOf.set(slot, logits[index] as Float32Array);
      }
    }
    return rows.map(({ slot }) => logitsOf.get(slot) as Float32Array);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }

  async #readChunk(slot: number, tokens: readonly number[], wanted: number[]): Promise<Float32Array[]> {
    const count = tokens.length;
    if (count === 0 || count > this.chunkTokens) {
      throw new RangeError(`A chunk has 1 to ${this.chunkTokens} tokens, not ${count}`);
    }
    const [found] = this.#cache.arrange([slot], count);
    if (!found) throw new Error(`Slot ${slot} found no room`);
    const filled = [
      ...tokens,
      ...Array.from({ length: (chunkStep - (count % chunkStep)) % chunkStep }, () => 0),
    ];
    const step = { tokens: [filled], past: [this.#cache.length(slot)], at: found.at };
    const { logits, added } = await this.#run(step, wanted);
    this.#cache.append(slot, { ...added, index: 0, count });
    return logits;
  }

  /** Runs T tokens of each sequence after its past. Filled-up tokens come last, so nothing attends to them. */
  async #run(step: Step, wanted: readonly number[]): Promise<{ logits: Float32Array[]; added: NewRows }> {
    const batch = step.tokens.length;
    const time = step.tokens[0]?.length ?? 0;
    const { block } = step.at;
    const lastPlace = this.contextLength - 1;
    const positions = step.past.flatMap((past) =>
      Array.from({ length: time }, (_, i) => Math.min(past + i, lastPlace)),
    );
    const feeds: Record<string, Tensor> = {
      ...this.#lasting,
      ids: int64(step.tokens.flat(), [batch, time]),
      positions: int64(positions, [batch, time]),
      mask: new Tensor("float32", buildMask(step, time), [batch, 1, 1, time, block.capacity + time]),
      spans: int64([block.capacity, time], [2]),
      rows: int64(wanted, [wanted.length]),
    };
    const shape = [batch, this.#heads.keyValueHeadCount, 1, block.capacity, this.#heads.headSize];
    for (let layer = 0; layer < this.#layerCount; layer++) {
      for (const array of ["keys", "values"] as const) {
        feeds[`past.${layer}.${array}`] = new Tensor("float32", block.view(array, layer, step.at), shape);
      }
    }
    const { logits, keys, values } = await this.#session.run(feeds);
    const size = this.vocabularySize;
    return {
      logits: wanted.map((_, row) => floats(logits).subarray(row * size, (row + 1) * size)),
      added: { keys: floats(keys), values: floats(values), batch, time },
    };
  }
}

/** (B, 1, 1, T, C + T): a token sees its own past and the new tokens up to itself. */
function buildMask({ past, at }: Step, time: number): Float32Array<ArrayBuffer> {
  const { capacity } = at.block;
  const width = capacity + time;
  const mask = new Float32Array(past.length * time * width);
  for (const [sequence, length] of past.entries()) {
    for (let t = 0; t < time; t++) {
      const row = (sequence * time + t) * width;
      mask.fill(Number.NEGATIVE_INFINITY, row + length, row + capacity);
      mask.fill(Number.NEGATIVE_INFINITY, row + capacity + t + 1, row + width);
    }
  }
  return mask;
}

function int64(values: readonly number[], dims: readonly number[]): Tensor {
  return new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}

function floats(tensor: Tensor | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError("The graph returned no float32 tensor");
  return tensor.data;
}
