/** @file An array as a tensor that safetensors files take. */
import type { OutgoingTensor } from "../checkpoint/safetensors-writer";

/** float32, little-endian like every machine Node runs on. */
export function floatTensor(name: string, shape: readonly number[], values: Float32Array): OutgoingTensor {
  return {
    name,
    dtype: "F32",
    shape,
    chunks: () => [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)],
  };
}
