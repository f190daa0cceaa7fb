/** @file One seed of learning by gold: responses, simulated rankings, a reward model, PPO, and how the policy fares against its start. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { z } from "zod";
import { writeRankings } from "@/model/data/rankings/write-rankings";
import { bestOfN, bestOfNKl, bestOfSizes } from "@/model/eval/best-of-n";
import { bootstrapInterval } from "@/model/eval/bootstrap";
import { goldVersion } from "@/model/eval/gold";
import { Scorer } from "@/model/runtime/scorer";
import { type PpoSummary, runPpo } from "@/model/train/ppo";
import { type PpoConfig, ppoConfigSchema, type scorePartSchema } from "@/model/train/ppo-config";
import { runReward } from "@/model/train/reward";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { parseConfig } from "@/model/train/run-config";
import { PausedError } from "@/model/train/run-loop";
import { goldOf, kept, rankBySimulation, sampleResponses, type World } from "./gold-world";
import { progress } from "./progress";

export type LearningPlan = {
  model: string;
  world: World;
  /** Of these prompts' rankings a second reward model is made, which watches for the guard rail `flatJudge`; left out: nothing does. */
  judgeRanked?: World["ranked"];
  /** Responses ranked to each prompt. */
  responsesPerPrompt: number;
  responseTokens: number;
  /** Settings of `attune reward` and of `attune ppo` that differ from their defaults. */
  reward: Record<string, unknown>;
  ppo: Record<string, unknown>;
  /** Responses of each policy to each test prompt. */
  samplesPerTest: number;
  bestOf: { prompts: number; samples: number };
};

/** What a labeler agrees with gold on: about what InstructGPT's agree with each other. */
const agreement = 0.73;

/** Of all that a result depends on but the seed and the code. */
export function planId({ model, ...plan }: LearningPlan): string {
  const text = JSON.stringify({ ...plan, model: path.basename(model), agreement, goldVersion });
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

export type LearnedSeed = {
  seed: number;
  plan: string;
  /** Share of the test pairs in which gold prefers the policy to its start; equal ones count half. By prompt. */
  wins: number[];
  goldBefore: number;
  goldAfter: number;
  /** Nats a response, on held-out prompts, of the checkpoint that was kept. */
  kl: number;
  /** Of untied pairs of the start's test responses, the share the reward model orders as gold does. */
  rewardAccuracy: number;
  /** Iteration by iteration: what the policy was optimised for, what it was meant for, and how far it went. */
  curve: { step: number; score: number; gold: number; kl: number; responseTokens: number }[];
  bestOfN: { n: number; kl: number; winRate: number }[];
  /** The first guard rail that it met, and after which iteration; null: none. */
  paused: { step: number; text: string } | null;
  minutes: { reward: number; ppo: number };
};

type ScorePartInput = z.input<typeof scorePartSchema>;

export type Where = { seed: number; folder: string; threads: number };

export async function learnByGold(plan: LearningPlan, where: Where): Promise<LearnedSeed> {
  const { seed, folder, threads } = where;
  const { world } = plan;
  const rewardModel = await trainRewardModel(plan, where);
  const judge =
    plan.judgeRanked && (await trainRewardModel(plan, where, { name: "judge", ranked: plan.judgeRanked }));
  // PPO, with gold watching and never counting.
  const learned = await kept(folder, `ppo-${seed}`, () =>
    learn(plan, rewardModel.checkpoint, where, { judge: judge?.checkpoint }),
  );
  // The policy and its start on prompts that neither saw.
  const { goldOfStart, goldOfPolicy, before } = await compareWithStart(plan, learned.checkpoint, where);
  const many = await kept(folder, "many", () =>
    sample(plan, where, {
      of: plan.model,
      prompts: world.test.slice(0, plan.bestOf.prompts),
      perPrompt: plan.bestOf.samples,
      at: 4,
    }),
  );
  const basePlaces = basePlacesOf(plan);
  await using scorer = await Scorer.open(rewardModel.checkpoint, { threads, basePlaces });
  return {
    seed,
    plan: planId(plan),
    wins: winShares(goldOfPolicy, goldOfStart),
    goldBefore: mean(goldOfStart.flat()),
    goldAfter: mean(goldOfPolicy.flat()),
    kl: learned.kl,
    rewardAccuracy: orderedAs(goldOfStart, await scoreAll(scorer, world.test, before)),
    curve: learned.curve,
    bestOfN: await readBestOfN(scorer, world.test.slice(0, plan.bestOf.prompts), many),
    paused: learned.paused,
    minutes: { reward: rewardModel.minutes, ppo: learned.minutes },
  };
}

const basePlacesOf = ({ model }: LearningPlan) => [model, path.dirname(model)];

type Sampled = { of: string; prompts: World["test"]; perPrompt: number; at: number };

/** @param sampled.at the seed of sampling */
export function sample(
  plan: LearningPlan,
  { folder, threads }: Where,
  { of, prompts, perPrompt, at }: Sampled,
): Promise<string[][]> {
  const basePlaces = basePlacesOf(plan);
  const options = { maxTokens: plan.responseTokens, threads, scratchFolder: folder, basePlaces };
  return sampleResponses(of, prompts, { ...options, perPrompt, seed: at });
}

/** From simulated rankings. What labelers see does not depend on the seed; how they rank it does. */
export async function trainRewardModel(
  plan: LearningPlan,
  where: Where,
  { name = "reward", ranked = plan.world.ranked } = {},
) {
  const { seed, folder, threads } = where;
  const { model, responsesPerPrompt: perPrompt } = plan;
  await mkdir(folder, { recursive: true });
  const [rankedName, rankingsName] =
    name === "reward" ? ["ranked", "rankings"] : [`${name}-ranked`, `${name}-rankings`];
  const responses = await kept(folder, rankedName, () =>
    sample(plan, where, { of: model, prompts: ranked, perPrompt, at: 1 }),
  );
  const rankings = path.join(folder, `${rankingsName}-${seed}.jsonl`);
  await writeFile(rankings, writeRankings(rankBySimulation(ranked, responses, { agreement, seed }), "kWay"));
  const startedAt = performance.now();
  return kept(folder, `${name}-${seed}`, async () => {
    const config = {
      validationShare: 0.1,
      ...plan.reward,
      model,
      data: [rankings],
      output: path.join(folder, `${name}-${seed}`),
      seed,
      threads,
    };
    const { checkpoint, pairAccuracy } = await runReward(parseConfig(rewardConfigSchema, config), {
      onEvent: (event) => {
        if (event.type === "note") progress(`seed ${seed}`, event.text);
      },
    });
    progress(
      `seed ${seed}`,
      `reward model: ${((pairAccuracy ?? 0) * 100).toFixed(1)} % of held-out simulated pairs`,
    );
    return { checkpoint, minutes: (performance.now() - startedAt) / 60_000 };
  });
}

/** What gold says of a policy's responses to the test prompts, and of its start's. */
export async function compareWithStart(plan: LearningPlan, policy: string, where: Where) {
  const { world, model, samplesPerTest: perPrompt } = plan;
  const prompts = world.test;
  const before = await kept(where.folder, "start", () =>
    sample(plan, where, { of: model, prompts, perPrompt, at: 2 }),
  );
  const after = await sample(plan, where, { of: policy, prompts, perPrompt, at: 3 });
  return { goldOfStart: goldOf(prompts, before), goldOfPolicy: goldOf(prompts, after), before };
}

/**
 * @param options.name of the run's folder
 * @param options.watch the part that is charted and never counts: the curve's `gold`
 * @param options.judge a reward model that never counts either, for the guard rail `flatJudge`
 */
export async function learn(
  plan: LearningPlan,
  rewardModel: string,
  { seed, folder, threads }: Where,
  {
    name = `ppo-${seed}`,
    watch = { type: "rules", name: "gold", weight: 0 },
    judge,
  }: { name?: string; watch?: ScorePartInput; judge?: string | undefined } = {},
) {
  const prompts = path.join(folder, "prompts.jsonl");
  await writeFile(prompts, plan.world.trained.map((each) => `${JSON.stringify(each)}\n`).join(""));
  const config: PpoConfig = parseConfig(ppoConfigSchema, {
    // The judge is gold itself; were it a guard here, no run would show what happens without one.
    guards: { flatJudge: null },
    acceptFailedProbes: true,
    // Measured below, by gold.
    bestOfSamples: null,
    ...plan.ppo,
    model: plan.model,
    rewardModels: [rewardModel],
    data: [prompts],
    ...(judge === undefined
      ? { parts: [watch] }
      : { parts: [watch, { type: "rewardModel", name: "judge", weight: 0, model: judge }], judge: "judge" }),
    responseTokens: plan.responseTokens,
    output: path.join(folder, name),
    seed,
    threads,
  });
  const startedAt = performance.now();
  const curve: LearnedSeed["curve"] = [];
  let paused: LearnedSeed["paused"] = null;
  const onEvent: Parameters<typeof runPpo>[1]["onEvent"] = (event) => {
    if (event.type !== "iteration") return;
    const { score = 0, klK3 = 0, responseTokens = 0, explainedVariance = 0 } = event.metrics;
    const gold = event.metrics[`part.${watch.name}`] ?? 0;
    curve.push({ step: event.step, score, gold, kl: klK3, responseTokens });
    const seconds = Object.entries(event.seconds).map(([name, value]) => `${name} ${value.toFixed(1)}`);
    progress(
      `seed ${seed}`,
      `iteration ${event.step}: score ${score.toFixed(2)}, ${watch.name} ${gold.toFixed(3)}, ${klK3.toFixed(2)} nats, ${responseTokens.toFixed(0)} tokens, explained ${explainedVariance.toFixed(2)}; ${seconds.join(", ")}`,
    );
  };
  let summary: PpoSummary | null = null;
  while (summary === null) {
    summary = await runPpo(config, { onEvent }).catch((error: unknown) => {
      if (!(error instanceof PausedError)) throw error;
      // Going on accepts it.
      paused ??= { step: curve.at(-1)?.step ?? 0, text: error.message };
      progress(`seed ${seed}`, error.message);
      return null;
    });
  }
  const minutes = (performance.now() - startedAt) / 60_000;
  return { checkpoint: summary.checkpoint, kl: summary.heldOutKl ?? Number.NaN, curve, paused, minutes };
}

/** By prompt. */
export const winShares = (own: readonly number[][], others: readonly number[][]): number[] =>
  own.map((scores, i) => winShare(scores, others[i] ?? []));

/** Of all pairs of one's own and the other's: won, ties counting half. */
function winShare(own: readonly number[], others: readonly number[]): number {
  const credits = own.flatMap((a) => others.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
  return mean(credits);
}

export async function scoreAll(
  scorer: Scorer,
  prompts: World["test"],
  responses: readonly (readonly string[])[],
) {
  const scores: number[][] = [];
  for (const [i, { prompt }] of prompts.entries()) {
    const messages = [{ role: "user" as const, content: prompt }];
    scores.push((await scorer.score(messages, responses[i] ?? [])).map(({ score }) => score));
  }
  return scores;
}

/** Share of pairs, untied in gold, that the scores order the same way. */
function orderedAs(gold: readonly (readonly number[])[], scores: readonly (readonly number[])[]): number {
  const credits = gold.flatMap((ofPrompt, i) =>
    ofPrompt.flatMap((a, x) =>
      ofPrompt.flatMap((b, y) => (a > b ? [Number((scores[i]?.[x] ?? 0) > (scores[i]?.[y] ?? 0))] : [])),
    ),
  );
  return mean(credits);
}

/** Chosen by the reward model, each against the samples' own gold. */
async function readBestOfN(scorer: Scorer, prompts: World["test"], samples: readonly (readonly string[])[]) {
  const gold = goldOf(prompts, samples);
  const scores = await scoreAll(scorer, prompts, samples);
  const candidates = gold.map((ofPrompt, i) =>
    ofPrompt.map((own, k) => ({ score: scores[i]?.[k] ?? 0, value: winShare([own], ofPrompt) })),
  );
  const sizes = bestOfSizes(samples[0]?.length ?? 1);
  return sizes.map((n) => ({ n, kl: bestOfNKl(n), winRate: bestOfN(candidates, n) }));
}

/**
 * A run that went too far: where gold stood highest, where it ended, and whether a guard rail would have stopped it before gold had
 * lost half of what it had won. Gold and score of an iteration are means over its episodes, of both over `window` iterations.
 */
export function summariseOverOptimised({ curve, paused }: Pick<LearnedSeed, "curve" | "paused">, window = 5) {
  const smooth = curve.map(({ step, kl }, i) => {
    const near = curve.slice(Math.max(0, i - window + 1), i + 1);
    return {
      step,
      kl: rounded(kl),
      gold: rounded(mean(near.map(({ gold }) => gold))),
      score: rounded(mean(near.map(({ score }) => score))),
    };
  });
  const [first, last] = [smooth[0], smooth.at(-1)];
  const best = smooth.reduce((a, b) => (b.gold > a.gold ? b : a));
  const lost = smooth.find(
    ({ step, gold }) => step > best.step && gold < (best.gold + (first?.gold ?? 0)) / 2,
  );
  return {
    first,
    best,
    last,
    /** The iteration at which half of the gain was gone; null: it stayed. */
    halfLostAt: lost?.step ?? null,
    stoppedAt: paused?.step ?? null,
    stoppedBy: paused?.text ?? null,
    stoppedInTime: paused !== null && lost !== undefined && paused.step < lost.step,
  };
}

/** Over seeds; intervals resample test prompts. */
export function summariseSeeds(seeds: readonly LearnedSeed[]) {
  const ordered = seeds.toSorted((a, b) => a.seed - b.seed);
  const [first] = ordered;
  const prompts = first?.wins.map((_, i) => mean(ordered.map(({ wins }) => wins[i] ?? Number.NaN))) ?? [];
  return {
    ...withInterval(prompts),
    kl: rounded(mean(ordered.map(({ kl }) => kl))),
    seeds: ordered.map(({ seed, wins, kl, goldBefore, goldAfter, rewardAccuracy, minutes, paused }) => ({
      seed,
      ...withInterval(wins),
      kl: rounded(kl),
      goldBefore: rounded(goldBefore),
      goldAfter: rounded(goldAfter),
      rewardAccuracy: rounded(rewardAccuracy),
      minutes: { reward: rounded(minutes.reward), ppo: rounded(minutes.ppo) },
      paused,
    })),
    bestOfN: (first?.bestOfN ?? []).map(({ n, kl }, i) => ({
      n,
      kl: rounded(kl),
      winRate: rounded(mean(ordered.map(({ bestOfN: own }) => own[i]?.winRate ?? Number.NaN))),
    })),
  };
}

export function withInterval(wins: readonly number[]) {
  const statistic = (weights: ArrayLike<number>) => {
    const total = wins.reduce((sum, _, i) => sum + (weights[i] ?? 0), 0);
    return total === 0 ? null : wins.reduce((sum, win, i) => sum + win * (weights[i] ?? 0), 0) / total;
  };
  const interval = bootstrapInterval(wins.length, statistic, { seed: 1 });
  const [low, high] = [interval?.low ?? Number.NaN, interval?.high ?? Number.NaN];
  return { winRate: rounded(mean(wins)), low: rounded(low), high: rounded(high) };
}

export const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
export const rounded = (value: number) => Number(value.toFixed(4));
