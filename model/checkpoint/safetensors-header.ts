/** @file The header of a safetensors file, checked so that every tensor lies exactly where it claims and nothing overlaps. */
import { z } from "zod";
import { CorruptFileError, UnsupportedModelError } from "./errors";
import type { RandomAccessFile } from "./file-access";
import { bytesPerElement, type StoredDtype, type TensorInfo } from "./tensor-source";

/** `offset` counts from the start of the file. */
export type SafetensorsEntry = TensorInfo & { name: string; offset: number };

/** The same limit as the reference implementation's. */
const maxHeaderBytes = 100_000_000;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()).max(8),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

/**
 * Layout: 8 bytes little-endian header size, JSON header, tensor bytes without gaps.
 * @throws CorruptFileError, UnsupportedModelError (a dtype that is none of F32, F16, BF16)
 */
export function readSafetensorsHeader(file: RandomAccessFile): SafetensorsEntry[] {
  const corrupt = (fact: string, cause?: unknown) => new CorruptFileError(file.path, fact, { cause });
  if (file.sizeBytes < 10) throw corrupt(`${file.sizeBytes} bytes cannot hold a safetensors header`);
  const prefix = file.read(0, 8);
  const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes > maxHeaderBytes || headerBytes + 8 > file.sizeBytes) {
    throw corrupt(`it claims a header of ${headerBytes} bytes in a file of ${file.sizeBytes}`);
  }
  const text = new TextDecoder("utf-8").decode(file.read(8, headerBytes));
  const dataStart = 8 + headerBytes;
  const entries = Object.entries(parseHeader(text, corrupt))
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => readEntry(name, value, dataStart, corrupt));
  if (entries.length === 0) throw corrupt("it holds no tensors");
  checkLayout(entries, dataStart, file.sizeBytes, corrupt);
  return entries;
}

type Corrupt = (fact: string, cause?: unknown) => CorruptFileError;

function parseHeader(text: string, corrupt: Corrupt): object {
  if (!text.startsWith("{")) throw corrupt("its header is not a JSON object");
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw corrupt(`its header is not JSON (${String(cause)})`, cause);
  }
  const duplicate = firstDuplicateKey(text);
  if (duplicate !== null) throw corrupt(`its header names ${duplicate} twice`);
  return header as object;
}

/** JSON.parse keeps the last of two equal keys in silence, and two readers could then see two models in one file. */
function firstDuplicateKey(json: string): string | null {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token] of json.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}]/g)) {
    if (token === "{") depth++;
    else if (token === "}") depth--;
    else if (depth === 1 && token.endsWith(":")) {
      const key: unknown = JSON.parse(token.replace(/\s*:$/, ""));
      if (typeof key !== "string") continue;
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return null;
}

function readEntry(name: string, value: unknown, dataStart: number, corrupt: Corrupt): SafetensorsEntry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) throw corrupt(`the header entry of ${name} is malformed`, parsed.error);
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  if (!isStoredDtype(dtype)) {
    throw new UnsupportedModelError(
      `tensor ${name} of dtype ${dtype}`,
      Object.keys(bytesPerElement).join(", "),
    );
  }
  const sizeBytes = offsets[1] - offsets[0];
  const expected = shape.reduce((product, size) => product * size, bytesPerElement[dtype]);
  if (sizeBytes !== expected) {
    throw corrupt(
      `tensor ${name} ${dtype} [${shape.join(", ")}] needs ${expected} bytes and has ${sizeBytes}`,
    );
  }
  return { name, dtype, shape, sizeBytes, offset: dataStart + offsets[0] };
}

function checkLayout(
  entries: SafetensorsEntry[],
  dataStart: number,
  fileBytes: number,
  corrupt: Corrupt,
): void {
  let end = dataStart;
  for (const entry of entries.toSorted((a, b) => a.offset - b.offset || a.sizeBytes - b.sizeBytes)) {
    if (entry.offset < end) throw corrupt(`tensor ${entry.name} overlaps the one before it`);
    if (entry.offset > end)
      throw corrupt(`${entry.offset - end} bytes before tensor ${entry.name} belong to none`);
    end = entry.offset + entry.sizeBytes;
  }
  if (end !== fileBytes) throw corrupt(`its tensors end at byte ${end}, the file at ${fileBytes}`);
}

function isStoredDtype(dtype: string): dtype is StoredDtype {
  return dtype in bytesPerElement;
}
