/** @file The published JSON Schemas: what `attune <stage> --schema` prints, with a description for every setting. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { evalConfigSchema } from "@/model/eval/eval-config";
import { ppoConfigSchema } from "@/model/train/ppo-config";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { settingsSchema } from "@/model/train/run-config";
import { sftConfigSchema } from "@/model/train/sft-config";

const schemas = {
  pretrain: pretrainConfigSchema,
  sft: sftConfigSchema,
  reward: rewardConfigSchema,
  ppo: ppoConfigSchema,
  eval: evalConfigSchema,
};
const stages = ["pretrain", "sft", "reward", "ppo", "eval"] as const;

describe.each(stages)("docs/schemas/%s.json", (stage) => {
  const file = path.resolve(import.meta.dirname, `../../../docs/schemas/${stage}.json`);

  test("is what the code says; else: npx attune <stage> --schema > docs/schemas/<stage>.json", () => {
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(settingsSchema(schemas[stage], stage));
  });

  test("describes every setting", () => {
    const silent = settingsWithoutDescription(z.json().parse(settingsSchema(schemas[stage], stage)));
    expect(silent).toEqual([]);
  });
});

function settingsWithoutDescription(node: z.core.util.JSONType, at = ""): string[] {
  if (Array.isArray(node)) return node.flatMap((each) => settingsWithoutDescription(each, at));
  if (typeof node !== "object" || node === null) return [];
  const properties =
    z.record(z.string(), z.record(z.string(), z.json())).safeParse(node.properties).data ?? {};
  const silent = Object.entries(properties).flatMap(([name, property]) =>
    // What tells forms apart has one value in each.
    typeof property.description === "string" || "const" in property ? [] : [`${at}${name}`],
  );
  const deeper = Object.entries(node).flatMap(([key, inner]) =>
    settingsWithoutDescription(inner, `${at}${key}.`),
  );
  return [...silent, ...deeper];
}
