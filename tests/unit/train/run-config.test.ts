/** @file A stage's configuration: defaults, overrides, and faults named with the nearest known setting. */
import { expect, test } from "vitest";
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
    lora: { rank: 16, alpha: 32 },
  });
});

test("--set goes over the file, as JSON where it is JSON, into nested settings too", () => {
  const config = parseConfig(sftConfigSchema, { ...least, epochs: 3 }, [
    "epochs=5",
    "name=My run",
    "lora.rank=4",
    'data=["a"]',
  ]);
  expect(config).toMatchObject({ epochs: 5, name: "My run", lora: { rank: 4, alpha: 32 }, data: ["a"] });
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
