/** @file Runs a graph once in ONNX Runtime on one thread, for tests that compare numbers. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { encodeOnnx } from "@/model/graph/encode-onnx";
import type { Graph } from "@/model/graph/graph";
import { type DType, sizeOf } from "@/model/graph/tensor-type";

const toData: Record<DType, (values: readonly number[]) => Tensor.DataType> = {
  float32: (values) => Float32Array.from(values),
  float64: (values) => Float64Array.from(values),
  float16: () => {
    throw new Error("no float16 feeds in tests");
  },
  int64: (values) => BigInt64Array.from(values, BigInt),
  int32: (values) => Int32Array.from(values),
  int8: (values) => Int8Array.from(values),
  uint8: (values) => Uint8Array.from(values),
  bool: (values) => Uint8Array.from(values),
};

export type Fed = { values: readonly number[]; shape?: readonly number[] };

/** Results by output name, as plain numbers. A feed needs `shape` only where its input has symbols. */
export async function runGraph(graph: Graph, feeds: Record<string, Fed>) {
  const session = await InferenceSession.create(encodeOnnx(graph), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const tensors: Record<string, Tensor> = {};
  for (const { name, dtype, shape } of graph.inputs) {
    const fed = feeds[name];
    if (!fed) throw new Error(`input ${name} is not fed`);
    const dims = fed.shape ?? shape.map(Number);
    if (sizeOf(dims) !== fed.values.length) throw new Error(`input ${name} does not fill [${dims}]`);
    tensors[name] = new Tensor(dtype, toData[dtype](fed.values) as Float32Array, dims);
  }
  const results = await session.run(tensors);
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data, dims, type }]) => [
      name,
      { values: Array.from(data as ArrayLike<number | bigint>, Number), shape: [...dims], dtype: type },
    ]),
  );
}
