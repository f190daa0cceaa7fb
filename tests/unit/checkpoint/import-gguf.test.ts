/** @file GGUF files of each family become checkpoints: configuration, tokenizer, weights, manifest. */
import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { openCheckpoint, verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { writeCheckpoint } from "@/model/checkpoint/checkpoint-writer";
import { expectedTensors } from "@/model/checkpoint/expected-tensors";
import { importModel } from "@/model/checkpoint/import-model";
import { parityFixture, parityFolder } from "../../helpers/parity-fixture";
import { temporaryFolder } from "../../helpers/temporary-folder";

type Expected = { texts: { text: string; ids: number[] }[] };

const common = {
  hiddenSize: 64,
  intermediateSize: 96,
  layerCount: 2,
  headCount: 4,
  headSize: 16,
  contextLength: 128,
};
const families = [
  {
    family: "llama",
    config: {
      ropeTheta: 5000,
      rmsNormEps: 1e-5,
      keyValueHeadCount: 2,
      tieEmbeddings: false,
      attentionBias: false,
    },
    dtypes: ["F16", "F32"],
  },
  {
    family: "qwen2",
    config: {
      ropeTheta: 1e6,
      rmsNormEps: 1e-6,
      keyValueHeadCount: 2,
      tieEmbeddings: true,
      attentionBias: true,
    },
    dtypes: ["BF16", "F32"],
  },
  {
    family: "gpt2",
    config: { layerNormEps: 1e-5, activation: "gelu_new", tieEmbeddings: true },
    dtypes: ["F16", "F32"],
  },
];

describe.each(families)("a GGUF of the $family family", ({ family, config, dtypes }) => {
  const source = path.join(parityFolder, `tiny-${family}.gguf`);

  it("becomes a checkpoint whose configuration, tensors and hashes hold", async () => {
    await using folder = await temporaryFolder();
    const target = path.join(folder.path, "model");
    const steps: number[] = [];
    const { id, manifest } = await importModel(source, target, {
      name: family,
      onProgress: ({ done, total }) => steps.push(done / total),
    });
    using checkpoint = await openCheckpoint(target);
    expect(checkpoint).toMatchObject({ id, manifest: { stage: "base", name: family, parent: null } });
    expect(checkpoint.config).toMatchObject({ family, ...common, ...config });
    expect(new Set(checkpoint.tensors.names())).toEqual(new Set(expectedTensors(checkpoint.config).keys()));
    expect(
      [...new Set(checkpoint.tensors.names().map((name) => checkpoint.tensors.info(name).dtype))].sort(),
    ).toEqual(dtypes);
    expect(await verifyCheckpoint(target)).toEqual(manifest);
    expect(manifest.sourceRevision).toMatch(/^gguf:[0-9a-f]{64}$/);
    expect(steps.at(-1)).toBe(1);
    expect(readdirSync(folder.path)).toEqual(["model"]);
  });

  it("gives the same id when it is imported again", async () => {
    await using folder = await temporaryFolder();
    const first = await importModel(source, path.join(folder.path, "a"), { name: family });
    const second = await importModel(source, path.join(folder.path, "b"), { name: family });
    expect(second.id).toBe(first.id);
  });

  it("tokenizes as the tokenizer it was made from", async () => {
    await using folder = await temporaryFolder();
    await importModel(source, path.join(folder.path, "model"), { name: family });
    using checkpoint = await openCheckpoint(path.join(folder.path, "model"));
    for (const { text, ids } of parityFixture<Expected>(`tiny-${family}`).texts) {
      expect(checkpoint.tokenizer.encode(text, { special: true }), JSON.stringify(text)).toEqual(ids);
    }
  });
});

it("leaves nothing behind when it is aborted", async () => {
  await using folder = await temporaryFolder();
  const controller = new AbortController();
  const importing = importModel(path.join(parityFolder, "tiny-gpt2.gguf"), path.join(folder.path, "model"), {
    name: "aborted",
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await expect(importing).rejects.toThrow(/abort/i);
  expect(readdirSync(folder.path)).toEqual([]);
});

it("refuses to write over a checkpoint", async () => {
  await using folder = await temporaryFolder();
  const target = path.join(folder.path, "model");
  const source = path.join(parityFolder, "tiny-gpt2.gguf");
  await importModel(source, target, { name: "first" });
  await expect(importModel(source, target, { name: "second" })).rejects.toThrow(
    /something else here.*another name/,
  );
  expect(readdirSync(folder.path)).toEqual(["model"]);
});

it("clears away what a crashed import left, and nothing else", async () => {
  await using folder = await temporaryFolder();
  // Above the largest process id that Linux hands out.
  const crashed = `.model.${2 ** 22 + 1}.0123abcd.part`;
  const kept = [`.model.${process.pid}.0123abcd.part`, `.other.${2 ** 22 + 1}.0123abcd.part`];
  for (const name of [crashed, ...kept]) mkdirSync(path.join(folder.path, name));
  await importModel(path.join(parityFolder, "tiny-gpt2.gguf"), path.join(folder.path, "model"), {
    name: "x",
  });
  expect(readdirSync(folder.path).sort()).toEqual([...kept, "model"].sort());
});

it("says that the disk is full, and leaves nothing half written", async () => {
  await using folder = await temporaryFolder();
  const facts = { name: "x", stage: "base", parent: null, run: null } as const;
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  const writing = writeCheckpoint(
    path.join(folder.path, "model"),
    { ...facts, datasetSha256: null, sourceRevision: null, threadCount: null },
    async (files) => {
      await files.json("config.json", {});
      throw full;
    },
  );
  await expect(writing).rejects.toThrow(/disk of .* is full.*Free some space/);
  expect(readdirSync(folder.path)).toEqual([]);
});
