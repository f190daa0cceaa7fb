/** @file LoRA against full training at the merged weights: same loss, and gradients by the chain rule. */
import { expect, test } from "vitest";
import { expectedTensors } from "@/model/checkpoint/expected-tensors";
import type { LlamaConfig } from "@/model/checkpoint/model-config";
import { layOutBatch } from "@/model/data/packing";
import type { LoraShape } from "@/model/nn/trained-weights";
import { normalTensor } from "@/model/random/normal";
import { GraphSession } from "@/model/runtime/graph-session";
import { buildLanguageModelGraph } from "@/model/train/language-model-graph";
import { adaptedLayers, createLora, LoraMerger } from "@/model/train/lora";
import { toFeeds } from "@/model/train/token-batch";

const config: LlamaConfig = {
  family: "llama",
  vocabularySize: 17,
  contextLength: 16,
  hiddenSize: 12,
  intermediateSize: 20,
  layerCount: 2,
  headCount: 4,
  keyValueHeadCount: 2,
  headSize: 4,
  tieEmbeddings: true,
  bosTokenId: null,
  endTokenIds: [],
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  attentionBias: false,
  attentionOutputBias: false,
  mlpBias: false,
};
const lora: LoraShape = { rank: 3, alpha: 6, targets: ["q_proj", "v_proj", "down_proj"] };
const shape = { rows: 1, length: 8, targets: 8 };
const example = { tokens: [3, 1, 4, 1, 5, 9, 2, 6], counted: Array.from({ length: 8 }, () => true) };
const batch = layOutBatch([[example]], shape.length);
const feeds = toFeeds(batch, shape, batch.countedTokens);

const base = new Map(
  [...expectedTensors(config)].map(([name, dims], i) => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    return [name, normalTensor(5, i, size, dims.length > 1 ? 0.3 : 1)] as const;
  }),
);

async function runModel(shapeOfLora: LoraShape | null, weights: ReadonlyMap<string, Float32Array>) {
  const model = buildLanguageModelGraph(config, shape, { lora: shapeOfLora, backward: true });
  await using session = await GraphSession.create(model.graph, { threads: 1 });
  const outputs = await session.run({ ...feeds, ...Object.fromEntries(weights) });
  const gradient = (name: string) => {
    const found = outputs[model.gradientName(name)];
    if (!(found instanceof Float32Array)) throw new Error(`no gradient of ${name}`);
    return found;
  };
  return { loss: Number(outputs.loss?.[0]), gradient, trained: [...model.weights.trained.keys()] };
}

test("a fresh adapter changes nothing: its second factor is zero", async () => {
  const adapter = createLora(config, lora, 1);
  const values = new Map([...adapter].map(([name, parameter]) => [name, parameter.values]));
  const [plain, adapted] = [await runModel(null, base), await runModel(lora, new Map([...base, ...values]))];
  expect(adapted.loss).toBeCloseTo(plain.loss, 6);
  expect(new Set(adapted.trained)).toEqual(new Set(adapter.keys()));
  // Two layers, three targets, two factors.
  expect(adapter.size).toBe(12);
});

test("loss and gradients agree with full training at the merged weights", async () => {
  const adapter = createLora(config, lora, 1);
  for (const [i, { values }] of [...adapter.values()].entries())
    values.set(normalTensor(6, i, values.length, 0.3));
  const values = new Map([...adapter].map(([name, parameter]) => [name, parameter.values]));
  const adapted = await runModel(lora, new Map([...base, ...values]));
  const merged = new Map(base);
  await using merger = new LoraMerger(lora);
  for (const layer of adaptedLayers(config, lora)) {
    const weight = base.get(layer.weight) ?? new Float32Array();
    merged.set(layer.weight, await merger.merge(layer, values, weight));
  }
  const full = await runModel(null, merged);
  expect(adapted.loss).toBeCloseTo(full.loss, 5);

  const [rank, inSize, outSize, scale] = [3, 12, 16, 2];
  const layer = "model.layers.1.self_attn.q_proj";
  const dW = full.gradient(`${layer}.weight`); // (out, in)
  const [a, b] = ["A", "B"].map((side) => values.get(`base_model.model.${layer}.lora_${side}.weight`));
  // W' = W + s B A  =>  dA = s Bᵀ dW, dB = s dW Aᵀ
  const dA = adapted.gradient(`base_model.model.${layer}.lora_A.weight`);
  const dB = adapted.gradient(`base_model.model.${layer}.lora_B.weight`);
  const sum = (count: number, f: (i: number) => number) =>
    Array.from({ length: count }, (_, i) => f(i)).reduce((x, y) => x + y, 0);
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < inSize; i++) {
      const expected = scale * sum(outSize, (o) => (b?.[o * rank + r] ?? 0) * (dW[o * inSize + i] ?? 0));
      expect(dA[r * inSize + i]).toBeCloseTo(expected, 5);
    }
    for (let o = 0; o < outSize; o++) {
      const expected = scale * sum(inSize, (i) => (dW[o * inSize + i] ?? 0) * (a?.[r * inSize + i] ?? 0));
      expect(dB[o * rank + r]).toBeCloseTo(expected, 5);
    }
  }
});

test("a merged weight is W + alpha / rank B A, in the layout of its family", async () => {
  await using merger = new LoraMerger(lora);
  const [rank, inSize, outSize, scale] = [3, 4, 6, 2];
  const [w, a, b] = [inSize * outSize, rank * inSize, outSize * rank].map((size, i) =>
    normalTensor(7, i, size, 1),
  );
  if (!w || !a || !b) throw new Error("unreachable");
  const adapter = new Map([
    ["base_model.model.x.lora_A.weight", a],
    ["base_model.model.x.lora_B.weight", b],
  ]);
  for (const isInOut of [false, true]) {
    const merged = await merger.merge(
      { layer: "x", weight: "x.weight", isInOut, inSize, outSize },
      adapter,
      w,
    );
    for (let out = 0; out < outSize; out++) {
      for (let i = 0; i < inSize; i++) {
        const at = isInOut ? i * outSize + out : out * inSize + i;
        const delta = [0, 1, 2].reduce(
          (sum, r) => sum + (b[out * rank + r] ?? 0) * (a[r * inSize + i] ?? 0),
          0,
        );
        expect(merged[at]).toBeCloseTo((w[at] ?? 0) + scale * delta, 5);
      }
    }
  }
});
