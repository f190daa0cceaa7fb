/**
 * @file Whether PPO makes a policy better at what people want, where that can be computed: against the gold judge, by a reward
 * model that saw simulated rankings alone; and against a reward model of real rankings, reported as it is.
 *
 * One seed a call (--seed, 1 by default): what a call has computed lies in bench/results/ppo-learning, and the figures are over all
 * seeds there. ATTUNE_BENCH_PARTS names the parts to compute (tiny, gold, overOptimised, ptx, real; the first two by default);
 * ATTUNE_BENCH_KEEP a folder for runs and samples, so that a call that was cut goes on; ATTUNE_BENCH_TEXT the text file of ptx;
 * ATTUNE_BENCH_RANKINGS the folder of real's alpaca_eval_rankings.jsonl.gz.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { animals, objects } from "@/model/data/tiny-world";
import { goldVersion } from "@/model/eval/gold";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { drawOverOptimised } from "./harness/draw-over-optimised";
import { makeWorld, type World, type WorldPrompt } from "./harness/gold-world";
import { learnFromPeople, type RealSeed } from "./harness/ppo-from-people";
import {
  type LearnedSeed,
  type LearningPlan,
  learnByGold,
  planId,
  summariseOverOptimised,
  summariseSeeds,
} from "./harness/ppo-seed";
import { learnPtxPair, type PtxPair } from "./harness/ptx-pair";

const parts = ["tiny", "gold", "overOptimised"] as const;
type Part = (typeof parts)[number];

export type PpoLearningBench = { n: number; goldVersion: number } & Partial<
  Record<"tiny" | "gold", ReturnType<typeof summariseSeeds>>
> & {
    overOptimised?: ({ seed: number } & ReturnType<typeof summariseOverOptimised>)[];
    ptx?: PtxPair[];
    real?: RealSeed[];
  };

const results = path.resolve("bench/results/ppo-learning");

/** `quick` takes fewer prompts and iterations of the tiny model, and leaves nothing behind. */
export default async function run({
  quick,
  seed,
}: {
  quick: boolean;
  seed: number;
}): Promise<PpoLearningBench> {
  const wanted = (process.env.ATTUNE_BENCH_PARTS ?? (quick ? "tiny" : "tiny,gold")).split(",");
  const keep = process.env.ATTUNE_BENCH_KEEP ?? path.join(os.tmpdir(), "attune-ppo-learning");
  const learned: Partial<Record<Part, LearnedSeed[]>> = {};
  for (const part of parts) {
    const own = wanted.includes(part) ? [await learn(part, { quick, seed, keep })] : [];
    const all = quick ? own : kept<LearnedSeed>(part, own[0]?.plan ?? null);
    if (all.length > 0) learned[part] = all;
  }
  const { tiny, gold, overOptimised } = learned;
  const ptx = wanted.includes("ptx")
    ? [await pairWithText({ quick, seed, keep })]
    : kept<PtxPair>("ptx", null);
  const real = wanted.includes("real")
    ? [await fromPeople({ quick, seed, keep })]
    : kept<RealSeed>("real", null);
  return {
    n: Math.max(0, ...[...Object.values(learned), ptx, real].map(({ length }) => length)),
    goldVersion,
    ...(tiny && { tiny: summariseSeeds(tiny) }),
    ...(gold && { gold: summariseSeeds(gold) }),
    ...(overOptimised && {
      overOptimised: overOptimised.map((each) => ({ seed: each.seed, ...summariseOverOptimised(each) })),
    }),
    ...(ptx.length > 0 && { ptx }),
    ...(real.length > 0 && { real }),
  };
}

type Call = { quick: boolean; seed: number; keep: string };

async function learn(part: Part, call: Call): Promise<LearnedSeed> {
  const plan = plans[part](call.quick);
  const folder = path.join(call.keep, call.quick ? `${part}-quick` : part);
  const learned = await computed(part, plan, call, () =>
    learnByGold(plan, { seed: call.seed, folder, threads }),
  );
  if (part === "overOptimised" && !call.quick)
    await writeFile(path.join(results, "over-optimised.svg"), drawOverOptimised(learned));
  return learned;
}

/** Of gold's world, in its folder: the reward model is the same. */
function pairWithText(call: Call): Promise<PtxPair> {
  const textFile = process.env.ATTUNE_BENCH_TEXT;
  if (!textFile) throw new Error("ATTUNE_BENCH_TEXT is not set: it has to name a text file, in prose.");
  const part = call.quick ? "tiny" : "gold";
  const plan = plans[part](call.quick);
  const shorter = { ...plan, ppo: { ...plan.ppo, iterations: call.quick ? 3 : 16 } };
  const folder = path.join(call.keep, call.quick ? `${part}-quick` : part);
  return computed("ptx", shorter, call, () =>
    learnPtxPair(shorter, textFile, { seed: call.seed, folder, threads }),
  );
}

/** Of rankings by a judge, whose prompts people wrote: no world can be made for them. */
function fromPeople(call: Call): Promise<RealSeed> {
  const folder = process.env.ATTUNE_BENCH_RANKINGS;
  if (!folder)
    throw new Error(
      "ATTUNE_BENCH_RANKINGS is not set: it has to name the folder with alpaca_eval_rankings.jsonl.gz.",
    );
  const plan = { ...plans[call.quick ? "tiny" : "gold"](call.quick), world: noWorld };
  const settings: LearningPlan = call.quick
    ? { ...plan, reward: { ...plan.reward, epochs: 1 }, ppo: { ...plan.ppo, iterations: 3 } }
    : { ...plan, reward: { layers: 20, longestTokens: 384 } };
  const rankings = path.join(folder, "alpaca_eval_rankings.jsonl.gz");
  const own = path.join(call.keep, call.quick ? "real-quick" : "real");
  return computed("real", settings, call, () =>
    learnFromPeople(
      settings,
      call.quick
        ? { rankings, tested: 8, most: 40 }
        : { rankings, tested: 60, most: Number.POSITIVE_INFINITY },
      { seed: call.seed, folder: own, threads },
    ),
  );
}

const noWorld: World = { ranked: [], trained: [], test: [] };
const threads = os.availableParallelism();

/** Read where this plan and seed were computed before. */
async function computed<T extends { plan: string }>(
  part: string,
  plan: LearningPlan,
  { quick, seed }: Call,
  compute: () => Promise<T>,
): Promise<T> {
  const file = path.join(results, `${part}-seed${seed}.json`);
  const known = !quick && existsSync(file) ? read<T>(file) : null;
  if (known?.plan === planId(plan)) return known;
  const value = await compute();
  if (quick) return value;
  await mkdir(results, { recursive: true });
  await writeFile(file, `${JSON.stringify(value)}\n`);
  return value;
}

/** Of one plan alone: seeds of another one are other figures. @param plan null: that of the newest seed */
function kept<T extends { plan: string }>(part: string, plan: string | null): T[] {
  const names = existsSync(results) ? readdirSync(results) : [];
  const all = names
    .filter((name) => name.startsWith(`${part}-seed`))
    .toSorted()
    .map((name) => read<T>(path.join(results, name)));
  return all.filter((each) => each.plan === (plan ?? all.at(-1)?.plan));
}

const read = <T>(file: string) => JSON.parse(readFileSync(file, "utf8")) as T;

const plans: Record<Part, (quick: boolean) => LearningPlan> = {
  tiny: tinyPlan,
  // A reward model of half of the rankings, no penalty for leaving the start behind, and the other half's to watch.
  overOptimised: (quick) => {
    const { world, ppo, ...plan } = tinyPlan(quick);
    return {
      ...plan,
      world: { ...world, ranked: world.ranked.slice(0, 48) },
      judgeRanked: world.ranked.slice(48),
      ppo: { ...ppo, iterations: quick ? 6 : 120, lr: 1e-3, beta: 0, guards: {} },
    };
  },
  gold: () => ({
    model: defaultModelFolder(),
    world: makeWorld({ ranked: 300, trained: 300, test: 100 }),
    responsesPerPrompt: 9,
    responseTokens: 48,
    reward: { layers: 20 },
    ppo: {
      iterations: 24,
      episodesPerIteration: 64,
      responsesPerPrompt: 4,
      minibatches: 4,
      warmupSteps: 3,
      criticWarmup: 1,
      beta: 0.05,
      // The checkpoint that is kept may be as far from its start as the claim allows.
      guards: { klBudget: 5, flatJudge: null },
    },
    samplesPerTest: 4,
    bestOf: { prompts: 40, samples: 64 },
  }),
};

function tinyPlan(quick: boolean): LearningPlan {
  return {
    model: path.resolve("model/tiny/sft"),
    world: tinyWorld(),
    responsesPerPrompt: 9,
    responseTokens: 40,
    reward: { epochs: 2, lora: { rank: 16, alpha: 32 }, lr: 1e-3, promptsPerBatch: 4 },
    ppo: {
      iterations: quick ? 6 : 16,
      episodesPerIteration: 64,
      responsesPerPrompt: 4,
      minibatches: 4,
      warmupSteps: 2,
      criticWarmup: 1,
      lr: 5e-4,
      beta: 0.1,
      lora: { rank: 8, alpha: 16 },
    },
    samplesPerTest: 4,
    bestOf: { prompts: quick ? 4 : 24, samples: 64 },
  };
}

const asks = [
  "Tell me a story about",
  "Write a short story about",
  "Tell me about",
  "Say something about",
  "Describe",
  "Write about",
  "Tell me a short story about",
  "Write a story about",
];

/** Short stories, which the tiny model tells in any length. */
function tinyWorld(): World {
  const nouns = [...animals.map(({ name }) => name), ...objects];
  const prompts = asks.flatMap((ask) =>
    nouns.map((noun): WorldPrompt => {
      const length = { type: "length", least: 6, most: 14 } as const;
      const rules = [{ type: "words", words: [noun] } as const, length, { type: "ending" } as const];
      return { prompt: `${ask} a ${noun}.`, rules };
    }),
  );
  return makeWorld({ ranked: 96, trained: 48, test: 48 }, () => spread(prompts));
}

/** Neighbours apart, so that each part has every way of asking. */
function spread<T>(items: readonly T[]): T[] {
  const step = 7;
  return items.map((_, i) => items[(i * step) % items.length] as T);
}
