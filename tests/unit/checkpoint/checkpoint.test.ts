/** @file Checkpoint folders: opened whole or not at all, and every altered file is named. */
import { appendFile, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { openCheckpoint, readManifest, verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import {
  ChecksumError,
  CorruptFileError,
  NotAModelError,
  UnsupportedModelError,
} from "@/model/checkpoint/errors";
import { importModel } from "@/model/checkpoint/import-model";
import { manifestSchema } from "@/model/checkpoint/manifest";
import { openSafetensors } from "@/model/checkpoint/safetensors-reader";
import { type OutgoingTensor, writeSafetensors } from "@/model/checkpoint/safetensors-writer";
import { UnsupportedTokenizerError } from "@/model/tokenizer/tokenizer-definition";
import { parityFolder } from "../../helpers/parity-fixture";
import { temporaryFolder } from "../../helpers/temporary-folder";

/** A small GPT-2 checkpoint in a folder of its own. */
async function imported() {
  const folder = await temporaryFolder();
  const model = path.join(folder.path, "model");
  await importModel(path.join(parityFolder, "tiny-gpt2.gguf"), model, { name: "tiny" });
  return { ...folder, root: folder.path, model, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

describe("an altered checkpoint", () => {
  it("is named by verifyCheckpoint, file and both hashes", async () => {
    await using folder = await imported();
    const file = path.join(folder.model, "model.safetensors");
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(file, bytes);
    const verifying = verifyCheckpoint(folder.model);
    await expect(verifying).rejects.toBeInstanceOf(ChecksumError);
    await expect(verifying).rejects.toThrow(
      /model\.safetensors differs .*sha256 [0-9a-f]{64} instead of sha256 [0-9a-f]{64}/,
    );
  });

  it.each([
    [
      "truncated",
      (file: string) => truncate(file, 1000),
      /tokenizer\.json differs.*1000 bytes instead of \d+ bytes/,
    ],
    ["longer", (file: string) => appendFile(file, "x"), /tokenizer\.json differs/],
    ["missing", (file: string) => rm(file), /tokenizer\.json differs.*no file/],
  ])("with a %s file is not even opened", async (_, change, fact) => {
    await using folder = await imported();
    await change(path.join(folder.model, "tokenizer.json"));
    await expect(openCheckpoint(folder.model)).rejects.toThrow(fact);
  });

  it("without its manifest is no checkpoint, and says how to become one", async () => {
    await using folder = await imported();
    await rename(path.join(folder.model, "attune.json"), path.join(folder.model, "other.json"));
    const opening = openCheckpoint(folder.model);
    await expect(opening).rejects.toBeInstanceOf(NotAModelError);
    await expect(opening).rejects.toThrow(/no attune.json.*npx attune models pull/);
  });

  it.each([
    ["no JSON", "{", /not JSON/],
    ["a future format", '{"formatVersion":2}', /formatVersion/],
  ])("with a manifest of %s is refused", async (_, text, fact) => {
    await using folder = await imported();
    await writeFile(path.join(folder.model, "attune.json"), text);
    const reading = readManifest(folder.model);
    await expect(reading).rejects.toThrow(fact);
    await expect(reading).rejects.toBeInstanceOf(CorruptFileError);
  });

  it("cannot name files outside its folder", () => {
    const file = { sha256: "0".repeat(64), sizeBytes: 1 };
    const manifest = (name: string) => ({
      ...{ formatVersion: 1, name: "x", stage: "base", parent: null, run: null },
      ...{ datasetSha256: null, sourceRevision: null, threadCount: null, files: { [name]: file } },
    });
    for (const name of ["../x", "/etc/passwd", "a/../../x", "..", ".", "a\\..\\x", "", "a//b"]) {
      expect(manifestSchema.safeParse(manifest(name)).success, name).toBe(false);
    }
    for (const name of ["model.safetensors", "state/optimizer.safetensors"]) {
      expect(manifestSchema.safeParse(manifest(name)).success, name).toBe(true);
    }
  });
});

describe("a Hugging Face folder", () => {
  it("is imported with its types, from shards, GPT-2's short names included", async () => {
    await using folder = await imported();
    const source = path.join(folder.model);
    using tensors = openSafetensors([path.join(source, "model.safetensors")]);
    const outgoing = tensors.names().map(
      (name): OutgoingTensor => ({
        ...tensors.info(name),
        name: name.replace("transformer.", ""),
        chunks: () => [tensors.readBytes(name)],
      }),
    );
    const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const half = outgoing.length >> 1;
    await writeSafetensors(path.join(source, shards[0] ?? ""), outgoing.slice(0, half));
    await writeSafetensors(path.join(source, shards[1] ?? ""), outgoing.slice(half));
    const map = Object.fromEntries(outgoing.map(({ name }, i) => [name, shards[i < half ? 0 : 1]]));
    await writeFile(path.join(source, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    await rename(path.join(source, "model.safetensors"), path.join(folder.root, "original"));

    const target = path.join(folder.root, "again");
    const { manifest } = await importModel(source, target, { name: "again", revision: "abc123" });
    expect(manifest.sourceRevision).toBe("huggingface:abc123");
    using checkpoint = await openCheckpoint(target);
    const names = checkpoint.tensors.names();
    expect(names).toHaveLength(outgoing.length);
    for (const name of names) {
      expect(checkpoint.tensors.info(name)).toEqual(tensors.info(name));
      expect(checkpoint.tensors.readBytes(name)).toEqual(tensors.readBytes(name));
    }
  });

  it.each([
    [
      "a tensor of another shape",
      { n_embd: 32, n_head: 4 },
      CorruptFileError,
      /\[320, 64\] where config.json says \[320, 32\]/,
    ],
    [
      "more layers than tensors",
      { n_layer: 3 },
      CorruptFileError,
      /transformer\.h\.2\.ln_1\.weight is missing/,
    ],
    [
      "an unknown family",
      { model_type: "mamba" },
      UnsupportedModelError,
      /model_type "mamba"; supported: .*llama/,
    ],
  ])("with %s is refused and leaves nothing", async (_, change, kind, fact) => {
    await using folder = await imported();
    const file = path.join(folder.model, "config.json");
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...change }));
    const target = path.join(folder.root, "again");
    const importing = importModel(folder.model, target, { name: "again" });
    await expect(importing).rejects.toThrow(fact);
    await expect(importing).rejects.toBeInstanceOf(kind);
    await expect(openCheckpoint(target)).rejects.toBeInstanceOf(NotAModelError);
  });

  it.each([
    ["no tokenizer.json", null, UnsupportedTokenizerError, /save_pretrained/],
    [
      "a tokenizer of another kind",
      '{"model":{"type":"Unigram"},"decoder":{"type":"ByteLevel"}}',
      UnsupportedTokenizerError,
      /model\.type/,
    ],
    ["a tokenizer that is no JSON", "{", UnsupportedTokenizerError, /tokenizer\.json is not JSON/],
  ])("with %s is refused", async (_, text, kind, fact) => {
    await using folder = await imported();
    const file = path.join(folder.model, "tokenizer.json");
    await (text === null ? rm(file) : writeFile(file, text));
    const importing = importModel(folder.model, path.join(folder.root, "again"), { name: "again" });
    await expect(importing).rejects.toThrow(fact);
    await expect(importing).rejects.toBeInstanceOf(kind);
  });
});

it("says that a path is not there", async () => {
  await expect(importModel("/no/such/model", "/tmp/never", { name: "x" })).rejects.toThrow(
    /no such file or folder/,
  );
});
