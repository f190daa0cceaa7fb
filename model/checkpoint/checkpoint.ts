/**
 * @file Opens and verifies checkpoint folders.
 *
 *   openCheckpoint(folder): Promise<Checkpoint>       config, tensors (lazy), tokenizer, chat template
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
import { ChecksumError, CorruptFileError, NotAModelError } from "./errors";
import { checkTensors } from "./expected-tensors";
import { digestFile } from "./file-access";
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
  tensors: TensorSource;
  tokenizer: Tokenizer;
  chatTemplate: ChatTemplate;
};

/**
 * Checks sizes against the manifest and every tensor's shape against the configuration; hashes are left to
 * `verifyCheckpoint`.
 * @throws NotAModelError, ChecksumError, CorruptFileError, UnsupportedModelError, UnsupportedTokenizerError, ChatTemplateError
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const { id, manifest } = await readManifest(folder);
  for (const [name, { sizeBytes }] of Object.entries(manifest.files)) {
    await checkSize(path.join(folder, name), sizeBytes);
  }
  const configPath = path.join(folder, "config.json");
  const config = parseModelConfig(parseJson(await readFile(configPath, "utf8"), configPath));
  const { tokenizer, chatTemplate } = await loadTokenizer(folder, config.endTokenIds);
  const tensors = openSafetensors(await findSafetensors(folder, await readdir(folder)));
  try {
    checkTensors(config, tensors, path.join(folder, "model.safetensors"));
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
    tokenizer,
    chatTemplate,
    [Symbol.dispose]: () => tensors[Symbol.dispose](),
  };
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
