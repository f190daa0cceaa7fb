/** @file Opens a GGUF file: metadata and tensor positions, checked against the size of the file; tensor bytes on demand. */
import { open } from "node:fs/promises";
import { GGMLQuantizationType, gguf } from "@huggingface/gguf";
import { CorruptFileError, NotAModelError, UnsupportedModelError } from "./errors";
import { RandomAccessFile } from "./file-access";
import { type BlockFormatName, blockFormats } from "./gguf-dequantise";
import { bytesPerElement, type StoredDtype } from "./tensor-source";

export type GgufTensor = {
  name: string;
  /** Hugging Face order, outermost first: GGUF's own reversed. */
  shape: readonly number[];
  format: StoredDtype | BlockFormatName;
  offset: number;
  sizeBytes: number;
};

export type GgufFile = Disposable & {
  path: string;
  metadata: ReadonlyMap<string, unknown>;
  tensors: ReadonlyMap<string, GgufTensor>;
  bytes: RandomAccessFile;
};

/** @throws NotAModelError, CorruptFileError, UnsupportedModelError (a quantisation Attune cannot read) */
export async function openGguf(filePath: string): Promise<GgufFile> {
  await checkMagic(filePath);
  const header = await gguf(filePath, { allowLocalFile: true }).catch((cause: unknown) => {
    throw new CorruptFileError(filePath, `its header cannot be read (${String(cause)})`, { cause });
  });
  if (!header.littleEndian) throw new UnsupportedModelError("a big-endian GGUF file", "little-endian");
  const bytes = new RandomAccessFile(filePath);
  try {
    const dataStart = Number(header.tensorDataOffset);
    // Past the end the parser sees zeros: a header that runs beyond the file is a truncated one.
    if (header.tensorInfoByteRange[1] > bytes.sizeBytes) {
      throw new CorruptFileError(
        filePath,
        `its header ends at byte ${dataStart}, the file at ${bytes.sizeBytes}`,
      );
    }
    const infos = header.tensorInfos.map((info) => readTensorInfo(info, dataStart));
    const tensors = checkTensorLayout(infos, bytes.sizeBytes, filePath);
    return {
      path: filePath,
      metadata: new Map(Object.entries(header.metadata)),
      tensors,
      bytes,
      [Symbol.dispose]: () => bytes[Symbol.dispose](),
    };
  } catch (error) {
    bytes[Symbol.dispose]();
    throw error;
  }
}

async function checkMagic(filePath: string): Promise<void> {
  await using file = await open(filePath, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
  if (bytesRead < 4 || buffer.toString("latin1") !== "GGUF") {
    throw new NotAModelError(
      filePath,
      "it is no GGUF file",
      "Choose a .gguf file or a Hugging Face model folder.",
    );
  }
}

type RawTensorInfo = { name: string; shape: bigint[]; dtype: number; offset: bigint };

function readTensorInfo({ name, shape, dtype, offset }: RawTensorInfo, dataStart: number): GgufTensor {
  const format = GGMLQuantizationType[dtype] ?? `type ${dtype}`;
  const sizes = shape.map(Number).reverse();
  const elements = sizes.reduce((product, size) => product * size, 1);
  return { name, shape: sizes, offset: dataStart + Number(offset), ...sized(name, format, sizes, elements) };
}

function sized(name: string, format: string, shape: readonly number[], elements: number) {
  if (isStored(format)) return { format, sizeBytes: elements * bytesPerElement[format] };
  if (!isBlockFormat(format)) {
    const known = [...Object.keys(bytesPerElement), ...Object.keys(blockFormats)].join(", ");
    throw new UnsupportedModelError(`tensor ${name} in ${format}`, known);
  }
  const { weights, blockBytes } = blockFormats[format];
  if ((shape.at(-1) ?? 0) % weights !== 0) {
    throw new UnsupportedModelError(
      `tensor ${name} [${shape.join(", ")}] in ${format}`,
      `rows of whole blocks of ${weights}`,
    );
  }
  return { format, sizeBytes: (elements / weights) * blockBytes };
}

const isStored = (format: string): format is StoredDtype => Object.hasOwn(bytesPerElement, format);
const isBlockFormat = (format: string): format is BlockFormatName => Object.hasOwn(blockFormats, format);

function checkTensorLayout(
  infos: GgufTensor[],
  fileBytes: number,
  filePath: string,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const info of infos) {
    if (tensors.has(info.name))
      throw new CorruptFileError(filePath, `it names the tensor "${info.name}" twice`);
    tensors.set(info.name, info);
  }
  let end = 0;
  for (const { name, offset, sizeBytes } of infos.toSorted((a, b) => a.offset - b.offset)) {
    if (offset < end) throw new CorruptFileError(filePath, `tensor ${name} overlaps the one before it`);
    end = offset + sizeBytes;
    if (end > fileBytes) {
      throw new CorruptFileError(filePath, `tensor ${name} ends at byte ${end}, the file at ${fileBytes}`);
    }
  }
  return tensors;
}
