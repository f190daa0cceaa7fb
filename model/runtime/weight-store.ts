/**
 * @file The serving form of a checkpoint's weights on disk: one file of tensors as the runtime wants them, so that it can
 * be mapped into memory, and an index beside it. Written once, read at every later start.
 */
import { createHash } from "node:crypto";
import { closeSync, createReadStream, fsyncSync, openSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { TensorType } from "../graph/tensor-type";
import type { WeightData } from "../graph/value";

/** Changes whenever the same checkpoint would be stored differently. */
const formatVersion = 1;
const weightsFile = "weights.bin";
const indexFile = "index.json";
/** Pages, so that each tensor can be mapped by itself. */
const alignment = 4096;
const abandonedAfterMs = 10 * 60_000;

export type StoredTensor = TensorType & { data: WeightData };
export type NewTensor = TensorType & { data: ArrayBufferView };

/** Gives the tensors stored under a key, making them first where nothing is stored yet. */
export type WeightStore = { tensors(key: string, make: () => readonly NewTensor[]): readonly StoredTensor[] };

export type ServingForm = {
  /** Where the tensors' file lies. */
  folder: string;
  weights: WeightStore;
};

const tensorSchema = z.object({
  dtype: z.enum(["float32", "uint8"]),
  shape: z.array(z.int().nonnegative()),
  offset: z.int().nonnegative(),
  sizeBytes: z.int().nonnegative(),
});
const indexSchema = z.object({
  formatVersion: z.literal(formatVersion),
  sizeBytes: z.int().positive(),
  sha256: z.string(),
  tensors: z.record(z.string(), z.array(tensorSchema)),
});
type Index = z.infer<typeof indexSchema>;

/**
 * Opens the form in `folder`; where there is none, or it is of another version, cut short or altered, writes it anew.
 * @param use asks the store for every tensor of the model, in any order
 */
export async function openServingForm(
  folder: string,
  use: (weights: WeightStore) => void,
): Promise<ServingForm> {
  const index = (await readIndex(folder)) ?? (await writeForm(folder, use));
  return { folder, weights: storedWeights(index) };
}

function storedWeights(index: Index): WeightStore {
  return {
    tensors(key) {
      const tensors = index.tensors[key];
      if (!tensors) throw new Error(`The serving form holds no ${key}: raise its format version`);
      return tensors.map(toStored);
    },
  };
}

/** null when the form has to be written (again). */
async function readIndex(folder: string): Promise<Index | null> {
  const text = await readFile(path.join(folder, indexFile), "utf8").catch(() => null);
  if (text === null) return null;
  const parsed = indexSchema.safeParse(parseJson(text));
  if (!parsed.success) return null;
  const file = path.join(folder, weightsFile);
  const size = await stat(file).then(
    (found) => found.size,
    () => -1,
  );
  const isWhole = size === parsed.data.sizeBytes && (await sha256Of(file)) === parsed.data.sha256;
  return isWhole ? parsed.data : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 4 * 2 ** 20 }), hash);
  return hash.digest("hex");
}

/** Into a temporary folder first: a form is whole or absent. Two writers at once: the last one's stays. */
async function writeForm(folder: string, use: (weights: WeightStore) => void): Promise<Index> {
  await mkdir(path.dirname(folder), { recursive: true });
  await removeAbandoned(folder);
  const temporary = await mkdtemp(`${folder}.tmp-`);
  try {
    const index = writeTensors(path.join(temporary, weightsFile), use);
    await writeFile(path.join(temporary, indexFile), JSON.stringify(index), { flush: true });
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    return index;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** What a killed process left half written. Younger ones may be another process at work. */
async function removeAbandoned(folder: string): Promise<void> {
  const parent = path.dirname(folder);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${path.basename(folder)}.tmp-`)) continue;
    const found = await stat(path.join(parent, name)).catch(() => null);
    if (found && Date.now() - found.mtimeMs > abandonedAfterMs) {
      await rm(path.join(parent, name), { recursive: true, force: true });
    }
  }
}

/** One tensor is in memory at a time; `use` gets each as soon as it is written, as it would from a finished form. */
function writeTensors(file: string, use: (weights: WeightStore) => void): Index {
  const tensors: Index["tensors"] = {};
  const hash = createHash("sha256");
  const descriptor = openSync(file, "wx");
  let end = 0;
  const append = ({ dtype, shape, data }: NewTensor) => {
    if (dtype !== "float32" && dtype !== "uint8") throw new TypeError(`No ${dtype} in a serving form`);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const stored = { dtype, shape: shape.map(Number), offset: end, sizeBytes: bytes.length };
    const padding = new Uint8Array((alignment - (bytes.length % alignment)) % alignment);
    for (const part of [bytes, padding]) {
      hash.update(part);
      writeFileSync(descriptor, part);
      end += part.length;
    }
    return stored;
  };
  try {
    use({
      tensors(key, make) {
        tensors[key] ??= make().map(append);
        return tensors[key].map(toStored);
      },
    });
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  return { formatVersion, sizeBytes: end, sha256: hash.digest("hex"), tensors };
}

function toStored({ dtype, shape, offset, sizeBytes }: z.infer<typeof tensorSchema>): StoredTensor {
  return { dtype, shape, data: { kind: "file", location: weightsFile, offset, sizeBytes } };
}
