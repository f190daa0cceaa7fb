/**
 * @file Opens and verifies checkpoint folders.
 *
 *   openCheckpoint(folder): Promise<Checkpoint>       config, tensors (lazy), adapter, tokenizer, chat template
 *   verifyCheckpoint(folder): Promise<Manifest>       every sha256; throws ChecksumError naming the file
 *   readManifest(folder): Promise<{ id, manifest }>   attune.json alone
 */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { ChatTemplate } from "@/model/tokenizer/chat-template";
import { loadTokenizer } from "@/model/tokenizer/load-tokenizer";
import type { Tokenizer } from "@/model/tokenizer/tokenizer";
import { type AdapterConfig, readAdapterConfig } from "./adapter-config";
import { ChecksumError, CorruptFileError, NotAModelError } from "./errors";
import { checkTensors, expectedTensors, rewardTensors } from "./expected-tensors";
import { digestFile } from "./file-access";
import { findLineageBase } from "./lineage-base";
import { type Manifest, manifestFileName, manifestSchema } from "./manifest";
import { type ModelConfig, parseModelConfig } from "./model-config";
import { findSafetensors, openSafetensors, parseJson } from "./safetensors-reader";
import type { TensorSource } from "./tensor-source";

/** Disposing closes its files; configuration and tokenizer stay usable. */
export type Checkpoint = Disposable & {
  folder: string;
  /** sha256 of its attune.json. */
  id: string;
  manifest: Manifest;
  config: ModelConfig;
  /** All of the model's weights: its own, or, where it is an adapter, those of its lineage's base, unchanged. */
  tensors: TensorSource;
  /** Not null: what the folder holds is an adapter, to be added to `tensors`. */
  adapter: AdapterConfig | null;
  /** Whose `tensors` are: this checkpoint itself, or the base below its adapter. */
  lineageBase: { id: string; name: string; folder: string };
  tokenizer: Tokenizer;
  chatTemplate: ChatTemplate;
};

export type OpenOptions = {
  /** Where the base of an adapter may lie, besides near it: checkpoints, or folders of checkpoints. */
  basePlaces?: readonly string[] | undefined;
};

/**
 * Opens the base along with an adapter. Checks sizes against the manifest and every tensor's shape against the configuration; hashes are left to
 * `verifyCheckpoint`.
 * @throws BaseMissingError, AdapterError, NotAModelError, ChecksumError, CorruptFileError, UnsupportedModelError, UnsupportedTokenizerError, ChatTemplateError
 */
export async function openCheckpoint(
  folder: string,
  { basePlaces = [] }: OpenOptions = {},
): Promise<Checkpoint> {
  const { id, manifest } = await readManifest(folder);
  await checkSizes(folder, manifest);
  const { adapter, lineageBase } = await openLineage(folder, { id, manifest, basePlaces });
  const configPath = path.join(folder, "config.json");
  const config = parseModelConfig(parseJson(await readFile(configPath, "utf8"), configPath));
  const { tokenizer, chatTemplate } = await loadTokenizer(folder, config.endTokenIds);
  const weightsFolder = lineageBase.folder;
  const tensors = openSafetensors(await findSafetensors(weightsFolder, await readdir(weightsFolder)));
  try {
    const isReward = manifest.stage === "reward" && adapter === null;
    const expected = isReward ? rewardTensors(config) : expectedTensors(config);
    checkTensors(config, tensors, path.join(weightsFolder, "model.safetensors"), expected);
  } catch (error) {
    tensors[Symbol.dispose]();
    throw error;
  }
  return {
    folder,
    id,
    manifest,
    config,
    tensors,
    adapter,
    lineageBase,
    tokenizer,
    chatTemplate,
    [Symbol.dispose]: () => tensors[Symbol.dispose](),
  };
}

/** What the weights belong to, found where it is not the checkpoint itself. */
async function openLineage(
  folder: string,
  { id, manifest, basePlaces }: { id: string; manifest: Manifest; basePlaces: readonly string[] },
): Promise<Pick<Checkpoint, "adapter" | "lineageBase">> {
  if (manifest.lineageBase === undefined)
    return { adapter: null, lineageBase: { id, name: manifest.name, folder } };
  const adapter = await readAdapterConfig(folder);
  const asked = {
    id: manifest.lineageBase,
    name: adapter.base_model_name_or_path ?? manifest.lineageBase.slice(0, 12),
  };
  const base = await findLineageBase(folder, asked, basePlaces);
  const found = await readManifest(base);
  if (found.manifest.lineageBase !== undefined)
    throw new CorruptFileError(
      path.join(folder, manifestFileName),
      `its base ${asked.name} is itself an adapter`,
    );
  await checkSizes(base, found.manifest);
  return { adapter, lineageBase: { id: found.id, name: found.manifest.name, folder: base } };
}

async function checkSizes(folder: string, { files }: Manifest): Promise<void> {
  for (const [name, { sizeBytes }] of Object.entries(files))
    await checkSize(path.join(folder, name), sizeBytes);
}

/** @throws NotAModelError when there is no attune.json, CorruptFileError when it is malformed */
export async function readManifest(folder: string): Promise<{ id: string; manifest: Manifest }> {
  const manifestPath = path.join(folder, manifestFileName);
  const bytes = await readFile(manifestPath).catch((cause: unknown) => {
    throw new NotAModelError(
      folder,
      `it has no ${manifestFileName}`,
      "Import it: npx attune models pull <path>.",
      { cause },
    );
  });
  const parsed = manifestSchema.safeParse(parseJson(bytes.toString("utf8"), manifestPath));
  if (!parsed.success) throw new CorruptFileError(manifestPath, z.prettifyError(parsed.error));
  return { id: createHash("sha256").update(bytes).digest("hex"), manifest: parsed.data };
}

async function checkSize(file: string, sizeBytes: number): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (!found) throw new ChecksumError(file, `${sizeBytes} bytes`, "no file");
  if (found.size !== sizeBytes) throw new ChecksumError(file, `${sizeBytes} bytes`, `${found.size} bytes`);
}

/**
 * Reads every file and compares its sha256 with the manifest.
 * @throws ChecksumError naming the first file that differs or is missing
 */
export async function verifyCheckpoint(folder: string, signal?: AbortSignal): Promise<Manifest> {
  const { manifest } = await readManifest(folder);
  for (const [name, expected] of Object.entries(manifest.files)) {
    const file = path.join(folder, name);
    await checkSize(file, expected.sizeBytes);
    const { sha256 } = await digestFile(file, signal);
    if (sha256 !== expected.sha256)
      throw new ChecksumError(file, `sha256 ${expected.sha256}`, `sha256 ${sha256}`);
  }
  return manifest;
}
