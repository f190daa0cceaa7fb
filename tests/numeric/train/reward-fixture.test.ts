/** @file A reward model of two layers against PyTorch in double precision: scores, InstructGPT's loss with ties, every gradient. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseModelConfig } from "@/model/checkpoint/model-config";
import { weighPairs } from "@/model/data/ranked-examples";
import { layOutGroups } from "@/model/data/response-groups";
import { blockCount } from "@/model/nn/grouped-transformer";
import { rewardFeeds } from "@/model/nn/reward-model";
import { GraphSession } from "@/model/runtime/graph-session";
import { buildRewardGraph } from "@/model/train/reward-graph";
import { pairFeeds } from "@/model/train/reward-trainer";

const floats = z.array(z.number());
const ids = z.array(z.int());
const fixtureSchema = z.object({
  config: z.unknown(),
  prompts: z.array(z.object({ prompt: ids, responses: z.array(ids), ranks: ids })),
  weights: z.record(z.string(), floats),
  scores: z.array(floats),
  loss: z.number(),
  gradients: z.record(z.string(), floats),
});

describe.each(["llama", "gpt2"])("a 2-layer %s with a score head", (name) => {
  test("scores, loss and the gradient of each parameter", async () => {
    const file = path.join(import.meta.dirname, "fixtures", `reward-${name}.json`);
    const fixture = fixtureSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    const examples = fixture.prompts.map(({ prompt, responses, ranks }) => {
      const record = { responses: responses.map(() => ({ text: "" })), rankings: [{ ranks }] };
      return { prompt, responses, ...weighPairs(record, "each") };
    });
    const model = buildRewardGraph(parseModelConfig(fixture.config), { lora: null, backward: true });
    await using session = await GraphSession.create(model.graph, { threads: 1 });
    const weights = Object.entries(fixture.weights).map(([parameter, values]) => {
      return [parameter, Float32Array.from(values)] as const;
    });
    const outputs = await session.run({
      ...rewardFeeds(layOutGroups(examples, blockCount)),
      ...pairFeeds(examples, examples.length),
      ...Object.fromEntries(weights),
    });
    const largestDifference = (
      actual: ArrayLike<number | bigint> | undefined,
      expected: readonly number[],
    ) => {
      expect(actual?.length).toBe(expected.length);
      return Math.max(...expected.map((value, i) => Math.abs(Number(actual?.[i]) - value)));
    };
    // Single against double precision, scores of order 1 to 10 and gradients of order 1.
    expect(largestDifference(outputs.scores, fixture.scores.flat())).toBeLessThan(2e-5);
    expect(Number(outputs.loss?.[0])).toBeCloseTo(fixture.loss, 5);
    expect(new Set(model.weights.trained.keys())).toEqual(new Set(Object.keys(fixture.gradients)));
    for (const [parameter, gradient] of Object.entries(fixture.gradients))
      expect(largestDifference(outputs[model.gradientName(parameter)], gradient), parameter).toBeLessThan(
        1e-5,
      );
  });
});
