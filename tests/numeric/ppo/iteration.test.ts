/** @file Whole iterations of PPO against plain PyTorch in double precision: readings, rewards, advantages, updates, weights. */

import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { type ModelConfig, parseModelConfig } from "@/model/checkpoint/model-config";
import type { LoraShape } from "@/model/nn/trained-weights";
import type { Judged } from "@/model/train/ppo/episodes";
import { GroupedLearner } from "@/model/train/ppo/grouped-learner";
import { type IterationSettings, readEpisodes, update } from "@/model/train/ppo/iteration";
import { buildLogprobGraph, buildPolicyUpdate } from "@/model/train/ppo/policy-graph";
import type { PolicyColumn, ValueColumn } from "@/model/train/ppo/update-targets";
import { buildValueGraph, buildValueUpdate, valueBias } from "@/model/train/ppo/value-graph";
import type { Trained } from "@/model/train/training-state";

const floats = z.array(z.number());
const tensors = z.record(z.string(), floats);
const updates = <T extends z.ZodRawShape>(told: T) =>
  z.object({
    updates: z.array(z.object({ ...told, clipFrac: z.number(), gradientNorm: z.number() })),
    gradients: tensors,
    after: tensors,
  });
const runSchema = z.object({
  policyStart: tensors,
  reference: tensors,
  valueStart: tensors,
  episodes: z.array(
    z.object({
      prompt: z.array(z.int()),
      tokens: z.array(z.int()),
      isEnded: z.boolean(),
      score: z.number(),
      logprobs: floats,
      refLogprobs: floats,
      values: floats,
      rewards: floats,
      advantages: floats,
      returns: floats,
      whitened: floats,
    }),
  ),
  policy: updates({ pgLoss: z.number(), approxKl: z.number() }),
  value: updates({ vfLoss: z.number() }),
});
const settingNames = [
  ..."seed step minibatches innerEpochs beta gamma lambda clip valueClip valueCoefficient shift".split(" "),
  ..."scoreClip unfinishedScore lr valueLr beta1 beta2 epsilon weightDecay maxGradientNorm bias".split(" "),
] as const;
const fixtureSchema = z.object({
  config: z.unknown(),
  settings: z.record(z.enum(settingNames), z.number()),
  lora: z.object({ rank: z.int(), alpha: z.number(), targets: z.array(z.string()) }),
  base: tensors,
  shapes: z.record(z.string(), z.array(z.int())),
  runs: z.object({ full: runSchema, adapter: runSchema }),
});
type Fixture = z.output<typeof fixtureSchema>;
type Settings = Record<string, number>;

const number = (settings: Settings, name: string) => settings[name] ?? expect.unreachable(name);

function learners(
  config: ModelConfig,
  fixture: Fixture,
  run: z.output<typeof runSchema>,
  lora: LoraShape | null,
) {
  const of = (name: string) => number(fixture.settings, name);
  const toTrained = (weights: Record<string, number[]>): Trained =>
    new Map(
      Object.entries(weights).map(([name, values]) => [
        name,
        { values: Float32Array.from(values), shape: fixture.shapes[name] ?? [] },
      ]),
    );
  const frozen = new Map(
    lora === null
      ? []
      : Object.entries(fixture.base).map(([name, values]) => [name, Float32Array.from(values)]),
  );
  const adamW = {
    beta1: of("beta1"),
    beta2: of("beta2"),
    epsilon: of("epsilon"),
    weightDecay: of("weightDecay"),
    maxGradientNorm: of("maxGradientNorm"),
  };
  // Fewer tokens than a minibatch has: its gradient is added up over several runs of the graph.
  const common = { adamW, threads: 1, tokensPerBatch: 16, isSmall: false };
  const policyOptions = { lora, mostRows: 5 };
  const valueOptions = { lora };
  const policy = new GroupedLearner<PolicyColumn>({
    ...common,
    frozen,
    trained: toTrained(run.policyStart),
    buildForward: () => buildLogprobGraph(config, policyOptions),
    buildUpdate: () => buildPolicyUpdate(config, { ...policyOptions, clip: of("clip"), recompute: false }),
  });
  const value = new GroupedLearner<ValueColumn>({
    ...common,
    frozen: new Map([...frozen, [valueBias, Float32Array.of(of("bias"))]]),
    trained: toTrained(run.valueStart),
    buildForward: () => buildValueGraph(config, valueOptions),
    buildUpdate: () => {
      const more = { clip: of("valueClip"), coefficient: of("valueCoefficient"), recompute: true };
      return buildValueUpdate(config, { ...valueOptions, ...more });
    },
  });
  return { policy, value, reference: toTrained(run.reference) };
}

/** Largest |actual - expected|, over all of them. */
function distance(actual: ArrayLike<number> | undefined, expected: readonly number[]): number {
  expect(actual).toHaveLength(expected.length);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs((actual?.[i] ?? NaN) - value)), 0);
}

/** What a learner adds up for its first step, by parameter; and what it tells of each step. */
function watch(learner: GroupedLearner<never>) {
  const gradients = new Map<string, Float64Array>();
  let steps = 0;
  const { optimizer } = learner;
  const accumulate = optimizer.accumulate.bind(optimizer);
  vi.spyOn(optimizer, "accumulate").mockImplementation((gradientOf) => {
    for (const name of steps === 0 ? learner.trained.keys() : []) {
      const sum = gradients.get(name) ?? new Float64Array(gradientOf(name).length);
      for (const [i, value] of gradientOf(name).entries()) sum[i] = (sum[i] ?? 0) + value;
      gradients.set(name, sum);
    }
    accumulate(gradientOf);
  });
  const outcomes: Record<string, number>[] = [];
  const step = learner.step.bind(learner);
  vi.spyOn(learner, "step").mockImplementation(async (...args) => {
    const outcome = await step(...args);
    steps++;
    outcomes.push({ ...outcome.losses, gradientNorm: outcome.gradientNorm });
    return outcome;
  });
  return { gradients, outcomes };
}

/** Single against double precision; gradients are of order 1, and a step is as long as a hundredth. */
const tolerance = 2e-5;

describe.each(["llama", "gpt2"])("a 2-layer %s", (family) => {
  const file = path.join(import.meta.dirname, "fixtures", `iteration-${family}.json`);
  const fixture = fixtureSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  const config = parseModelConfig(fixture.config);
  const of = (name: string) => number(fixture.settings, name);

  test.each(["full", "adapter"] as const)(
    "%s: one iteration is PyTorch's, number by number",
    async (kind) => {
      const run = fixture.runs[kind];
      const models = learners(config, fixture, run, kind === "full" ? null : fixture.lora);
      await using policy = models.policy;
      await using value = models.value;
      const settings: IterationSettings = {
        seed: of("seed"),
        responseTokens: 7,
        minibatches: of("minibatches"),
        innerEpochs: of("innerEpochs"),
        responsesPerPrompt: 1,
        criticWarmup: 0,
        gamma: of("gamma"),
        lambda: of("lambda"),
        whiten: true,
        mostApproxKl: null,
        scoreClip: of("scoreClip"),
        unfinishedScore: of("unfinishedScore"),
        scoreShift: "reference",
        scoreScale: false,
        warmupSteps: 0,
        lr: of("lr"),
        valueLr: of("valueLr"),
      };
      const judged = run.episodes.map(({ prompt, tokens, isEnded, score }): Judged => {
        const source = { file: "prompts.jsonl", line: 1 };
        return {
          prompt: { messages: [], tokens: prompt, rules: null, source },
          tokens,
          isEnded,
          score,
          samplerLogprobs: new Float32Array(tokens.length),
          text: "",
          parts: { rewardModel: score },
        };
      });
      const scores = { count: 0, mean: 0, squares: 0 };
      const state = { beta: of("beta"), shift: of("shift"), scores, valueBias: of("bias") };

      // 1. What the models say of the responses, and what follows for each token.
      const { episodes } = await readEpisodes(models, judged, state, settings);
      const raw = await readEpisodes(models, judged, state, { ...settings, whiten: false });
      for (const [i, expected] of run.episodes.entries()) {
        const episode = episodes[i];
        for (const name of ["logprobs", "refLogprobs", "values", "rewards", "returns"] as const)
          expect(distance(episode?.[name], expected[name]), `${name} of ${i}`).toBeLessThan(tolerance);
        expect(distance(raw.episodes[i]?.advantages, expected.advantages)).toBeLessThan(tolerance);
        expect(distance(episode?.advantages, expected.whitened)).toBeLessThan(tolerance);
      }

      // 2. The updates, each with its own norm and its own clipping.
      const ofPolicy = watch(policy as GroupedLearner<never>);
      const ofValue = watch(value as GroupedLearner<never>);
      const step = { step: of("step"), lr: settings.lr };
      const { firstRatioGap, applied, metrics } = await update(models, episodes, step, {
        ...settings,
        texts: null,
      });
      expect({ applied, skipped: metrics.skippedUpdates }).toEqual({ applied: true, skipped: 0 });
      expect(firstRatioGap).toBeLessThan(1e-4);
      for (const [watched, told] of [
        [ofPolicy, run.policy],
        [ofValue, run.value],
      ] as const) {
        expect(watched.outcomes).toHaveLength(told.updates.length);
        for (const [i, expected] of told.updates.entries())
          for (const [name, number] of Object.entries(expected)) {
            const off = Math.abs((watched.outcomes[i]?.[name] ?? NaN) - number);
            expect(off, `${name} of update ${i}`).toBeLessThan(tolerance * Math.max(1, number));
          }
        expect(new Set(watched.gradients.keys())).toEqual(new Set(Object.keys(told.gradients)));
        for (const [name, gradient] of Object.entries(told.gradients))
          expect(distance(watched.gradients.get(name), gradient), name).toBeLessThan(tolerance);
      }
      // The fixture would show little if neither clip were ever met.
      expect(Math.max(...run.policy.updates.map(({ clipFrac }) => clipFrac))).toBeGreaterThan(0.1);
      expect(Math.max(...run.value.updates.map(({ clipFrac }) => clipFrac))).toBeGreaterThan(0.1);
      for (const { updates } of [run.policy, run.value])
        expect(updates.some(({ gradientNorm }) => gradientNorm > of("maxGradientNorm"))).toBe(true);

      // 3. Where they lead.
      for (const [learner, told] of [
        [policy, run.policy],
        [value, run.value],
      ] as const)
        for (const [name, weights] of Object.entries(told.after))
          expect(distance(learner.trained.get(name)?.values, weights), name).toBeLessThan(5 * tolerance);
    },
  );
});
