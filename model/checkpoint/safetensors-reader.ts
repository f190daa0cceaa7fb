/** @file Reads tensors from one safetensors file or several shards of one model. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { CorruptFileError, NotAModelError } from "./errors";
import { RandomAccessFile } from "./file-access";
import { brainFloatsToFloats, halvesToFloats } from "./half-floats";
import { readSafetensorsHeader, type SafetensorsEntry } from "./safetensors-header";
import { MissingTensorError, type TensorInfo, type TensorSource } from "./tensor-source";

type Location = { file: RandomAccessFile; entry: SafetensorsEntry };

/** Opens every file and checks every header; tensor bytes are read when asked for. */
export function openSafetensors(paths: readonly string[]): TensorSource {
  return new SafetensorsSource(paths);
}

class SafetensorsSource implements TensorSource {
  readonly #files: RandomAccessFile[] = [];
  readonly #locations = new Map<string, Location>();

  constructor(readonly paths: readonly string[]) {
    try {
      for (const each of paths) this.#open(each);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #open(filePath: string): void {
    const file = new RandomAccessFile(filePath);
    this.#files.push(file);
    for (const entry of readSafetensorsHeader(file)) {
      if (this.#locations.has(entry.name)) {
        throw new CorruptFileError(filePath, `tensor ${entry.name} is in another shard too`);
      }
      this.#locations.set(entry.name, { file, entry });
    }
  }

  names(): string[] {
    return [...this.#locations.keys()];
  }

  has(name: string): boolean {
    return this.#locations.has(name);
  }

  info(name: string): TensorInfo {
    const { dtype, shape, sizeBytes } = this.#locate(name).entry;
    return { dtype, shape, sizeBytes };
  }

  readBytes(name: string): Uint8Array<ArrayBuffer> {
    const { file, entry } = this.#locate(name);
    return file.read(entry.offset, entry.sizeBytes);
  }

  read(name: string): Float32Array {
    const { buffer } = this.readBytes(name);
    const { dtype } = this.#locate(name).entry;
    if (dtype === "F32") return new Float32Array(buffer);
    return dtype === "F16"
      ? halvesToFloats(new Uint16Array(buffer))
      : brainFloatsToFloats(new Uint16Array(buffer));
  }

  #locate(name: string): Location {
    const location = this.#locations.get(name);
    if (!location) throw new MissingTensorError(name, this.paths.join(", "));
    return location;
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
  }
}

const indexSchema = z.looseObject({
  weight_map: z.custom<Record<string, string>>(
    (value) =>
      typeof value === "object" && value !== null && Object.values(value).every((v) => typeof v === "string"),
    "not a table from tensor to file",
  ),
});

/**
 * The weight files of a Hugging Face folder, given its file names: one, or the shards its index names.
 * @throws NotAModelError when there are none, or only pickles.
 */
export async function findSafetensors(folder: string, fileNames: readonly string[]): Promise<string[]> {
  if (fileNames.includes("model.safetensors")) return [path.join(folder, "model.safetensors")];
  const indexName = "model.safetensors.index.json";
  if (fileNames.includes(indexName)) {
    const indexPath = path.join(folder, indexName);
    const index = indexSchema.safeParse(parseJson(await readFile(indexPath, "utf8"), indexPath));
    if (!index.success) throw new CorruptFileError(indexPath, z.prettifyError(index.error));
    const shards = [...new Set(Object.values(index.data.weight_map))].sort();
    const missing = shards.find((shard) => !fileNames.includes(shard));
    if (missing !== undefined) {
      throw new NotAModelError(folder, `the shard ${missing} is missing`, "Download the whole model again.");
    }
    return shards.map((shard) => path.join(folder, shard));
  }
  const pickle = fileNames.find((name) => /\.(bin|pt|pth|ckpt|pkl)$/.test(name));
  if (pickle !== undefined) {
    throw new NotAModelError(
      folder,
      `it has only pickled weights (${pickle}), and a pickle can run code`,
      "Take the model's safetensors files, or convert it with transformers: model.save_pretrained(folder).",
    );
  }
  throw new NotAModelError(
    folder,
    "it has no model.safetensors",
    "Choose a Hugging Face model folder or a GGUF file.",
  );
}

/** @throws CorruptFileError */
export function parseJson(text: string, filePath: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CorruptFileError(filePath, `it is not JSON (${String(cause)})`, { cause });
  }
}
