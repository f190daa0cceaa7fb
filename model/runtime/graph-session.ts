/** @file A graph compiled to a session of ONNX Runtime: arrays in by name, arrays out by name, types from the graph. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { encodeOnnx } from "../graph/encode-onnx";
import type { Graph, Value } from "../graph/graph";
import type { DType, Shape } from "../graph/tensor-type";

/** A tensor's elements; bool as bytes. */
export type TensorData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Int8Array
  | Uint8Array
  | Uint16Array;

/** An array, with its shape where more than one size is a symbol. */
export type Feed = TensorData | { data: TensorData; shape: readonly number[] };

const runtimeTypes = {
  float32: "float32",
  float64: "float64",
  float16: "float16",
  int64: "int64",
  int32: "int32",
  int8: "int8",
  uint8: "uint8",
  bool: "bool",
} as const satisfies { [K in DType]: Tensor.Type };

export class GraphSession implements AsyncDisposable {
  readonly #session: InferenceSession;
  readonly #inputs: readonly Value[];

  private constructor(session: InferenceSession, inputs: readonly Value[]) {
    this.#session = session;
    this.#inputs = inputs;
  }

  /** @param threads that one run may use */
  static async create(graph: Graph, { threads }: { threads: number }): Promise<GraphSession> {
    const session = await InferenceSession.create(encodeOnnx(graph, { resultsInOrder: true }), {
      executionProviders: ["cpu"],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // A plan of all memory would be taken in one block beside what the first run took: 5.3 GB instead of 3.1 for SmolLM2.
      enableMemPattern: false,
      // Threads that wait for work by spinning take the processor from chat.
      extra: { session: { intra_op: { allow_spinning: "0" } } },
      // 3: errors only. Warnings name tidying that the runtime did by itself.
      logSeverityLevel: 3,
    });
    return new GraphSession(session, [...graph.inputs]);
  }

  /**
   * Runs the graph. Arrays are passed without a copy. One symbolic dimension of an input follows from its array's length.
   * @param wanted names of the outputs to return, all by default
   */
  async run(
    feeds: Readonly<Record<string, Feed>>,
    wanted?: readonly string[],
  ): Promise<Record<string, TensorData>> {
    const tensors: Record<string, Tensor> = {};
    for (const { name, dtype, shape } of this.#inputs) {
      const feed = feeds[name];
      if (feed === undefined) throw new TypeError(`The graph's input ${name} was not given`);
      const fed = "data" in feed ? feed : { data: feed, shape: resolveShape(shape, feed.length) };
      tensors[name] = new Tensor(runtimeTypes[dtype], fed.data as Float32Array, fed.shape);
    }
    const results = wanted
      ? await this.#session.run(tensors, wanted as string[])
      : await this.#session.run(tensors);
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as TensorData]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}

function resolveShape(shape: Shape, length: number): number[] {
  const fixed = shape.reduce<number>((size, dim) => (typeof dim === "number" ? size * dim : size), 1);
  return shape.map((dim) => (typeof dim === "number" ? dim : length / fixed));
}
