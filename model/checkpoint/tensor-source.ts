/** @file Named tensors that are read one at a time, wherever they lie. */

export type TensorInfo = {
  /** As safetensors spells it: "F32", "F16", "BF16". */
  dtype: StoredDtype;
  /** Hugging Face order, outermost first. */
  shape: readonly number[];
  sizeBytes: number;
};

export const bytesPerElement = { F32: 4, F16: 2, BF16: 2 } as const;
export type StoredDtype = keyof typeof bytesPerElement;

/** Lazy: nothing is in memory but what was read and not yet collected. Disposing closes the files. */
export interface TensorSource extends Disposable {
  names(): string[];
  has(name: string): boolean;
  /** @throws MissingTensorError */
  info(name: string): TensorInfo;
  /** The tensor as float32, row-major, in memory of its own. */
  read(name: string): Float32Array;
  /** The stored bytes, little-endian; half the memory of `read` for 16-bit tensors. */
  readBytes(name: string): Uint8Array;
}

export class MissingTensorError extends Error {
  override readonly name = "MissingTensorError";
  constructor(
    readonly tensor: string,
    readonly file: string,
  ) {
    super(`${file} holds no tensor named ${tensor}.`);
  }
}
