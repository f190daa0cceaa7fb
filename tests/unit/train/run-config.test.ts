/** @file A stage's configuration: defaults, overrides, and faults named with the nearest known setting. */
import { describe, expect, test } from "vitest";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { ConfigError, parseConfig } from "@/model/train/run-config";
import { sftConfigSchema } from "@/model/train/sft-config";

const least = { model: "m", data: ["d.jsonl"], output: "o" };

test("what is not given has its default", () => {
  const config = parseConfig(sftConfigSchema, least);
  expect(config).toMatchObject({
    epochs: 2,
    lr: 2e-4,
    schedule: "cosine",
    finalShare: 0.1,
    lora: { rank: null, alpha: null },
  });
});

test("--set goes over the file, as JSON where it is JSON, into nested settings too", () => {
  const config = parseConfig(sftConfigSchema, { ...least, epochs: 3 }, [
    "epochs=5",
    "name=My run",
    "lora.rank=4",
    'data=["a"]',
  ]);
  expect(config).toMatchObject({ epochs: 5, name: "My run", lora: { rank: 4, alpha: null }, data: ["a"] });
  expect(parseConfig(sftConfigSchema, least, ["lora=null"]).lora).toBeNull();
});

test("an unknown setting is refused with the nearest one, and every fault is named", () => {
  const parse = () => parseConfig(sftConfigSchema, { ...least, epoch: 3, lr: -1 }, ["treads=2"]);
  expect(parse).toThrow(ConfigError);
  expect(parse).toThrow("epoch is no setting. Did you mean epochs?");
  expect(parse).toThrow("treads is no setting. Did you mean threads?");
  expect(parse).toThrow(/^lr: /m);
});

test("an override without a value is refused", () => {
  expect(() => parseConfig(sftConfigSchema, least, ["epochs"])).toThrow(
    "--set epochs: write it as key=value",
  );
});

test("settings inside of others are suggested by their whole name", () => {
  const faultsOf = (config: object, overrides: string[] = []) => {
    try {
      parseConfig(sftConfigSchema, { ...least, ...config }, overrides);
    } catch (error) {
      return (error as Error).message.split("\n");
    }
    return [];
  };
  expect(faultsOf({ lora: { rnk: 4 } })).toEqual(["lora.rnk is no setting. Did you mean lora.rank?"]);
  expect(faultsOf({}, ["lora.alfa=4"])).toEqual(["lora.alfa is no setting. Did you mean lora.alpha?"]);
  expect(faultsOf({ rank: 4 })).toEqual(["rank is no setting. Did you mean lora.rank?"]);
  expect(faultsOf({ pretrainMix: { data: ["a"], shares: 0.1 } })).toEqual([
    "pretrainMix.shares is no setting. Did you mean pretrainMix.share?",
  ]);
});

describe("a new model's architecture", () => {
  const parse = (more: object) =>
    parseConfig(pretrainConfigSchema, {
      tokenizer: { vocabularySize: 300 },
      data: ["d"],
      output: "o",
      ...more,
    });
  const architecture = (more: object) => () => parse({ architecture: { family: "llama", ...more } });

  test("has the defaults of its family", () => {
    expect(parse({}).architecture).toMatchObject({ family: "llama", headCount: 4, keyValueHeadCount: 2 });
    const gpt2 = parse({ architecture: { family: "gpt2" } }).architecture;
    expect(gpt2).toMatchObject({ family: "gpt2", headCount: 4 });
    expect(gpt2).not.toHaveProperty("keyValueHeadCount");
  });

  test.each([
    [{ headCount: 3 }, "architecture.headCount: 3 heads do not divide a hiddenSize of 128"],
    [{ hiddenSize: 12, headCount: 4 }, "architecture.headCount: heads of 3 are odd"],
    [{ keyValueHeadCount: 3 }, "architecture.keyValueHeadCount: 3 do not divide a headCount of 4"],
    [{ hidenSize: 64 }, "architecture.hidenSize is no setting. Did you mean architecture.hiddenSize?"],
    [{ layerCount: 0 }, "architecture.layerCount: "],
  ])("%j is refused", (more, message) => {
    expect(architecture(more)).toThrow(ConfigError);
    expect(architecture(more)).toThrow(message);
  });

  test("a setting of the other family and an unknown family are refused", () => {
    expect(() => parse({ architecture: { family: "gpt2", keyValueHeadCount: 2 } })).toThrow(
      "architecture.keyValueHeadCount does not go with the other settings of architecture",
    );
    expect(() => parse({ architecture: { family: "mamba" } })).toThrow(/^architecture/);
  });

  test("a tokenizer too small for all bytes, or misspelled, is refused", () => {
    expect(() => parse({ tokenizer: { vocabularySize: 259 } })).toThrow("tokenizer.vocabularySize: ");
    expect(() => parse({ tokenizer: { vocabSize: 300 } })).toThrow(
      "tokenizer.vocabSize is no setting. Did you mean tokenizer.vocabularySize?",
    );
  });
});
