/** @file A PEFT adapter beside the base gives PEFT's logits (tests/fixtures/adapter/make_adapter_fixture.py). */
import { cp, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { AdapterError } from "@/model/checkpoint/adapter-config";
import { openAdapter } from "@/model/runtime/adapter";
import { floatsFromBase64 } from "@/tests/helpers/parity-fixture";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";
import { maxDifference, tinyModel } from "./tiny-model";

const fixtures = path.resolve(import.meta.dirname, "../../fixtures/adapter");

async function expectedOf(family: string) {
  const file = await readFile(path.join(fixtures, family, "expected.json.gz"));
  const { ids, logits } = JSON.parse(gunzipSync(file).toString("utf8")) as { ids: number[]; logits: string };
  return { ids, logits: floatsFromBase64(logits) };
}

describe.each(["llama", "gpt2"] as const)("an adapter of the %s family", (family) => {
  it("gives PEFT's logits, without being merged", async () => {
    await using tiny = await tinyModel(family);
    const adapter = await openAdapter(path.join(fixtures, family));
    await using model = await tiny.load("fp32", adapter);
    const { ids, logits } = await expectedOf(family);
    const ours = await model.score(0, ids);
    const size = model.vocabularySize;
    for (const [i, row] of ours.entries()) {
      expect(maxDifference(row, logits.subarray(i * size, (i + 1) * size))).toBeLessThan(1e-5);
    }
  });

  it("does not change the base's serving form", async () => {
    await using tiny = await tinyModel(family);
    await (await tiny.load("fp32", await openAdapter(path.join(fixtures, family))))[Symbol.asyncDispose]();
    await using bare = await tiny.load();
    const ours = await bare.score(0, tiny.ids);
    expect(maxDifference(ours.at(-1), tiny.expected.at(-1))).toBeLessThan(1e-5);
  });
});

describe("an adapter that cannot be served", () => {
  it.each<[string, Record<string, unknown>]>([
    ["is no LoRA", { peft_type: "PREFIX_TUNING" }],
    ["is a DoRA", { use_dora: true }],
    ["has ranks of its own for some layers", { rank_pattern: { q_proj: 8 } }],
    ["brings whole modules", { modules_to_save: ["lm_head"] }],
  ])("is refused when it %s", async (_, change) => {
    await using temporary = await temporaryFolder();
    await cp(path.join(fixtures, "llama"), temporary.path, { recursive: true });
    const file = path.join(temporary.path, "adapter_config.json");
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...change }));
    await expect(openAdapter(temporary.path)).rejects.toThrow(AdapterError);
  });

  it("is refused when it was made for layers of another size", async () => {
    await using tiny = await tinyModel("qwen2");
    const adapter = await openAdapter(path.join(fixtures, "gpt2"));
    await expect(tiny.load("fp32", adapter)).rejects.toThrow("no layer of that name");
  });
});
