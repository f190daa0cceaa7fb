/**
 * @file PPO against a reward model of rankings that were not simulated. What is wanted cannot be computed there: a second reward
 * model, of other prompts' rankings, watches the run and judges what came of it.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { countRecordPairs } from "@/model/data/rankings/layout";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { openRankings, readRankings } from "@/model/data/rankings/read-rankings";
import { writeRankings } from "@/model/data/rankings/write-rankings";
import { permutation } from "@/model/random/permutation";
import { Scorer } from "@/model/runtime/scorer";
import { runReward } from "@/model/train/reward";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { parseConfig } from "@/model/train/run-config";
import { kept } from "./gold-world";
import {
  type LearnedSeed,
  type LearningPlan,
  learn,
  mean,
  planId,
  rounded,
  sample,
  scoreAll,
  type Where,
  winShares,
  withInterval,
} from "./ppo-seed";
import { progress } from "./progress";

type Preferred = ReturnType<typeof withInterval>;

export type RealSeed = {
  seed: number;
  plan: string;
  prompts: { rewardModel: number; judge: number; test: number };
  /** Of the rankings of its own held-out prompts. */
  pairAccuracy: { rewardModel: number | null; judge: number | null };
  /** The policy over its start on the test prompts, by what it was optimised for and by what it was not. */
  byRewardModel: Preferred;
  byJudge: Preferred;
  /** Mean characters of a test response. */
  characters: { before: number; after: number };
  kl: number;
  /** `gold` is the judge's score. */
  curve: LearnedSeed["curve"];
  paused: LearnedSeed["paused"];
  minutes: { rewardModel: number; judge: number; ppo: number };
};

/** @param plan without a world, which the rankings are; of at most so many prompts, `tested` are kept from both reward models and from PPO */
export async function learnFromPeople(
  plan: LearningPlan,
  { rankings, tested, most }: { rankings: string; tested: number; most: number },
  where: Where,
): Promise<RealSeed> {
  const { seed, folder, threads } = where;
  await mkdir(folder, { recursive: true });
  const all = (await shuffled(rankings, seed)).slice(0, most);
  const [test, ranked] = [all.slice(0, tested), all.slice(tested)];
  const halves = { rewardModel: every(ranked, 0), judge: every(ranked, 1) };
  const world = { ranked: [], trained: ranked.map(asPrompt), test: test.map(asPrompt) };
  const whole: LearningPlan = { ...plan, world };
  const [rewardModel, judge] = [
    await train("rewardModel", halves.rewardModel, whole, where),
    await train("judge", halves.judge, whole, where),
  ];
  const learned = await kept(folder, `ppo-${seed}`, () =>
    learn(whole, rewardModel.checkpoint, where, {
      watch: { type: "rewardModel", name: "judge", weight: 0, model: judge.checkpoint },
    }),
  );
  const perPrompt = plan.samplesPerTest;
  const before = await sample(whole, where, { of: plan.model, prompts: world.test, perPrompt, at: 2 });
  const after = await sample(whole, where, { of: learned.checkpoint, prompts: world.test, perPrompt, at: 3 });
  const preferredBy = async (checkpoint: string) => {
    const basePlaces = [plan.model, path.dirname(plan.model)];
    await using scorer = await Scorer.open(checkpoint, { threads, basePlaces });
    const own = await scoreAll(scorer, world.test, after);
    return withInterval(winShares(own, await scoreAll(scorer, world.test, before)));
  };
  const characters = (texts: string[][]) => Math.round(mean(texts.flat().map(({ length }) => length)));
  return {
    seed,
    plan: planId(plan),
    prompts: { rewardModel: halves.rewardModel.length, judge: halves.judge.length, test: test.length },
    pairAccuracy: { rewardModel: rewardModel.pairAccuracy, judge: judge.pairAccuracy },
    byRewardModel: await preferredBy(rewardModel.checkpoint),
    byJudge: await preferredBy(judge.checkpoint),
    characters: { before: characters(before), after: characters(after) },
    kl: rounded(learned.kl),
    curve: learned.curve,
    paused: learned.paused,
    minutes: { rewardModel: rewardModel.minutes, judge: judge.minutes, ppo: rounded(learned.minutes) },
  };
}

/** Prompts of one turn whose responses people did not all find alike, in the seed's order. */
async function shuffled(file: string, seed: number): Promise<RankedPrompt[]> {
  const prompts: RankedPrompt[] = [];
  for await (const read of readRankings(await openRankings(file))) {
    if (!("record" in read) || read.record.prompt.length !== 1) continue;
    if (countRecordPairs(read.record).comparisons > 0) prompts.push(read.record);
  }
  return [...permutation(seed, 0, prompts.length)].flatMap((place) => prompts[place] ?? []);
}

const every = <T>(items: readonly T[], half: 0 | 1) => items.filter((_, i) => i % 2 === half);
const asPrompt = ({ prompt }: RankedPrompt) => ({ prompt: prompt[0]?.content ?? "", rules: [] });

function train(name: string, data: readonly RankedPrompt[], { model, reward }: LearningPlan, where: Where) {
  const { seed, folder, threads } = where;
  const label = `${name}-${seed}`;
  return kept(folder, label, async () => {
    const file = path.join(folder, `${label}.jsonl`);
    await writeFile(file, writeRankings(data, "kWay"));
    const settings = { validationShare: 0.1, ...reward, model, data: [file], seed, threads };
    const startedAt = performance.now();
    const { checkpoint, pairAccuracy } = await runReward(
      parseConfig(rewardConfigSchema, { ...settings, output: path.join(folder, label) }),
      {
        onEvent: (event) => {
          if (event.type === "note") progress(label, event.text);
        },
      },
    );
    return {
      checkpoint,
      pairAccuracy: pairAccuracy ?? null,
      minutes: rounded((performance.now() - startedAt) / 60_000),
    };
  });
}
