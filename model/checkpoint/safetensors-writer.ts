/** @file Writes a safetensors file as a stream: the header first, then one tensor after another, hashed on the way. */
import { type FileDigest, writeFileDurably } from "./file-access";
import { bytesPerElement, type StoredDtype } from "./tensor-source";

export type OutgoingTensor = {
  name: string;
  dtype: StoredDtype;
  shape: readonly number[];
  /** The bytes in little-endian, in as many pieces as suits; called once, when its turn comes. */
  chunks(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
};

/**
 * Wide types come first, so that every tensor is aligned without gaps (as the reference implementation writes it).
 * @throws Error naming the tensor whose chunks do not add up to its shape; the file is then worthless.
 */
export function writeSafetensors(
  filePath: string,
  tensors: readonly OutgoingTensor[],
  signal?: AbortSignal,
): Promise<FileDigest> {
  const ordered = tensors.toSorted(
    (a, b) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype] || (a.name < b.name ? -1 : 1),
  );
  return writeFileDurably(filePath, fileChunks(ordered), signal);
}

async function* fileChunks(tensors: readonly OutgoingTensor[]): AsyncGenerator<Uint8Array> {
  yield headerBytes(tensors);
  for (const tensor of tensors) {
    let written = 0;
    for await (const chunk of tensor.chunks()) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== byteCount(tensor)) {
      throw new Error(`Tensor ${tensor.name} needs ${byteCount(tensor)} bytes and gave ${written}.`);
    }
  }
}

function headerBytes(tensors: readonly OutgoingTensor[]): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  for (const tensor of tensors) {
    if (Object.hasOwn(header, tensor.name)) throw new Error(`Tensor ${tensor.name} is written twice.`);
    const start = end;
    end += byteCount(tensor);
    header[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [start, end] };
  }
  const json = Buffer.from(JSON.stringify(header), "utf8");
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = Buffer.alloc(8 + padded, " ");
  bytes.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(bytes, 8);
  return bytes;
}

function byteCount({ dtype, shape }: OutgoingTensor): number {
  return shape.reduce((product, size) => product * size, bytesPerElement[dtype]);
}
