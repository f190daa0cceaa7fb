/** @file The form of a new run: fields out of the real stages' schemas, refusals in place, the estimate, differing settings. */
import { describe, expect, it } from "vitest";
import { compareConfigs, flattenConfig } from "@/app/(settings)/admin/runs/config-diff";
import {
  countNewParameters,
  countParameters,
  estimateRun,
} from "@/app/(settings)/admin/runs/new/estimate-run";
import {
  fillIn,
  groupFields,
  readDefaults,
  readFields,
  splitFaults,
} from "@/app/(settings)/admin/runs/new/read-settings";
import { describeStages, readStageConfig } from "@/server/runs/stage-settings";

describe.each(describeStages())("the fields of $stage", ({ stage, settings }) => {
  it("are all there, each in one group, each explained", () => {
    const fields = readFields(settings);
    const grouped = groupFields(fields).flatMap((group) => group.fields);
    expect(grouped.map(({ name }) => name).sort()).toEqual(Object.keys(settings.properties ?? {}).sort());
    expect(fields.filter(({ description }) => description === "")).toEqual([]);
  });

  it("have the defaults that the server fills in", () => {
    expect(readDefaults(settings)).toEqual(readStageConfig(stage, {}));
  });
});

it("reads limits, choices, lists and groups", () => {
  const [, sft] = describeStages();
  const byName = new Map(readFields(sft?.settings ?? {}).map((field) => [field.name, field]));
  expect(byName.get("epochs")).toMatchObject({ kind: "number", isWhole: true, min: 1, max: null });
  expect(byName.get("schedule")).toMatchObject({ kind: "choice", choices: ["constant", "cosine"] });
  expect(byName.get("samplePrompts")).toMatchObject({ kind: "texts", nullable: true });
  expect(byName.get("lora")).toMatchObject({ kind: "group", nullable: true, chosenBy: null });
});

it("fills a group's form in by what it is chosen by", () => {
  const [pretrain] = describeStages();
  const field = readFields(pretrain?.settings ?? {}).find(({ name }) => name === "architecture");
  if (!field) throw new Error("The field is missing.");
  expect(fillIn(field, { family: "gpt2", hiddenSize: 64 })).toEqual({
    family: "gpt2",
    hiddenSize: 64,
    intermediateSize: 384,
    layerCount: 4,
    headCount: 4,
    contextLength: 512,
  });
});

it("leaves empty what was emptied in a group, though its default is another", () => {
  const ppo = describeStages().find(({ stage }) => stage === "ppo");
  const field = readFields(ppo?.settings ?? {}).find(({ name }) => name === "guards");
  if (!field) throw new Error("The field is missing.");
  expect(fillIn(field, { klBudget: null })).toMatchObject({ klBudget: null, repetition: 0.4 });
});

it("puts a refusal beside its setting, and keeps the rest", () => {
  const { faults, rest } = splitFaults(
    "lr: Too small\nlora.rank: must be whole\nlrr is no setting. Did you mean lr?\nelse: no",
    ["lr", "lora"],
  );
  expect([...faults]).toEqual([
    ["lr", "Too small"],
    ["lora.rank", "must be whole"],
  ]);
  expect(rest).toEqual(["lrr is no setting. Did you mean lr?", "else: no"]);
});

describe("the estimate", () => {
  const input = { dataBytes: 4_000_000, epochs: 2, parameters: 1e6, loraRank: null, earlierSpeeds: [] };

  it("rests on the median of earlier runs where there are some", () => {
    const { tokens, seconds, restsOn } = estimateRun({ ...input, earlierSpeeds: [100, 1000, 200] });
    expect(tokens).toBe(2_000_000);
    expect(seconds).toBe(10_000);
    expect(restsOn).toEqual({ kind: "earlier", runs: 3 });
    expect(estimateRun({ ...input, earlierSpeeds: [100, 200] }).tokensPerSecond).toBe(150);
  });

  it("rests on the model's size otherwise: twice as large, twice as long", () => {
    const small = estimateRun(input);
    expect(small.restsOn).toEqual({ kind: "size" });
    expect(estimateRun({ ...input, parameters: 2e6 }).seconds).toBeCloseTo(2 * small.seconds);
  });

  it("counts weights and both moments of every checkpoint; an adapter has few moments", () => {
    expect(estimateRun(input)).toMatchObject({ checkpointBytes: 12e6, diskBytes: 120e6 });
    const adapter = estimateRun({ ...input, loraRank: 16 });
    expect(adapter.checkpointBytes).toBeLessThan(0.5e6);
    expect(adapter.checkpointBytes).toBeGreaterThan(0.4e6);
  });

  it("counts parameters by files, and of a new model by its settings", () => {
    const files = {
      "model.safetensors": { sizeBytes: 400 },
      "tokenizer.json": { sizeBytes: 9 },
    };
    expect(countParameters({ stage: "sft", manifest: { files } })).toBe(100);
    expect(countParameters({ stage: "base", manifest: { files } })).toBe(200);
    const adapter = { "adapter_model.safetensors": { sizeBytes: 40 } };
    const lineageBase = { stage: "base", manifest: { files } };
    expect(countParameters({ stage: "sft", manifest: { files: adapter }, lineageBase })).toBe(200);
    // SmolLM2-135M has 134,515,008; norms are left out here.
    const smol = {
      family: "llama",
      hiddenSize: 576,
      intermediateSize: 1536,
      layerCount: 30,
      headCount: 9,
      keyValueHeadCount: 3,
    };
    expect(countNewParameters(smol, 49_152) / 134_515_008).toBeCloseTo(1, 3);
  });
});

it("names the settings in which runs differ, nested ones by their dotted names", () => {
  expect([...flattenConfig({ lora: { rank: 8, targets: null }, prompts: ["a"], on: true })]).toEqual([
    ["lora.rank", "8"],
    ["lora.targets", "none"],
    ["prompts", '["a"]'],
    ["on", "yes"],
  ]);
  expect(
    compareConfigs([
      { lr: 1, lora: { rank: 8 } },
      { lr: 1, lora: null },
    ]),
  ).toEqual([
    { name: "lr", values: ["1", "1"], differs: false },
    { name: "lora.rank", values: ["8", "–"], differs: true },
    { name: "lora", values: ["–", "none"], differs: true },
  ]);
});
