/**
 * @file How often a reward model of ours orders two responses as judges and people did, on prompts that it never saw, beside
 * "the longer one wins".
 *
 * A result that is kept is read for the same settings and data; a change of the code is not noticed: empty the folder then.
 *
 * ATTUNE_BENCH_RANKINGS names the folder that holds alpaca_eval_rankings.jsonl.gz and oasst_trees.jsonl; ATTUNE_BENCH_KEEP one that
 * results are kept in, so that a run that was cut goes on; ATTUNE_BENCH_FOLDS how many of the five parts of the prompts are held out
 * in turn; ATTUNE_BENCH_SETTINGS settings of `attune reward` as JSON; ATTUNE_BENCH_CURVE=0 leaves the learning curve out.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { countRecordPairs } from "@/model/data/rankings/layout";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { openRankings, readRankings } from "@/model/data/rankings/read-rankings";
import { writeRankings } from "@/model/data/rankings/write-rankings";
import { bootstrapInterval } from "@/model/eval/bootstrap";
import type { ScoredPrompt } from "@/model/eval/reward/scored-prompt";
import type { LearningCurve } from "@/model/eval/reward/trials";
import { measureFolds, measureLearningCurve, type RewardEvent } from "@/model/train/reward";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { parseConfig } from "@/model/train/run-config";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { progress } from "./harness/progress";

const files = { alpacaEval: "alpaca_eval_rankings.jsonl.gz", oasst: "oasst_trees.jsonl" } as const;
type Dataset = keyof typeof files;

const partCount = 5;
const seed = 1;

/** All are shares; intervals hold with 95 % and resample prompts. */
export type RewardData = {
  accuracy: number;
  low: number;
  high: number;
  /** Accuracy of the longer text, in characters. */
  longerWins: number;
  /** Ours less the longer text's, pair by pair: mean, and the lower end of its interval. */
  margin: number;
  marginLow: number;
  /** Untied ones, on prompts held out. */
  pairs: number;
  prompts: number;
  /** Training and scoring, over all folds. */
  minutes: number;
  folds: { accuracy: number; longerWins: number; prompts: number; minutes: number }[];
  /** Heads solved on the states of so many prompts, on a fifth of the prompts held out: see `learningCurve`. */
  curve: { prompts: number; accuracy: number; low: number; high: number }[];
};

export type RewardDataBench = Record<Dataset, RewardData> & { n: number; model: string };

type Settings = Record<string, unknown> & { model: string; threads: number };

/** `quick` takes the tiny model and a few prompts: it shows that the measurement works, not how good anything is. */
export default async function run({ quick }: { quick: boolean }): Promise<RewardDataBench> {
  const source = rankingsFolder();
  const model = quick ? path.resolve("model/tiny/sft") : defaultModelFolder();
  const folder = process.env.ATTUNE_BENCH_KEEP ?? path.join(os.tmpdir(), "attune-reward-data");
  const given = JSON.parse(process.env.ATTUNE_BENCH_SETTINGS ?? "{}") as Record<string, unknown>;
  const settings = { saveEverySteps: 10, ...given, model, threads: os.availableParallelism() };
  const folds = Number(process.env.ATTUNE_BENCH_FOLDS ?? (quick ? 2 : partCount));
  const measure = async (name: Dataset) => {
    const prompts = await promptsWithPairs(path.join(source, files[name]));
    const own = path.join(folder, `${name}-${sha256(JSON.stringify([settings, quick])).slice(0, 12)}`);
    await mkdir(own, { recursive: true });
    const data = path.join(own, "rankings.jsonl");
    await writeFile(data, writeRankings(quick ? prompts.slice(0, 40) : prompts, "kWay"));
    return measureDataset(name, { ...settings, data: [data], output: path.join(own, "run") }, folds);
  };
  const alpacaEval = await measure("alpacaEval");
  const oasst = await measure("oasst");
  return { n: folds, alpacaEval, oasst, model: path.basename(model) };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

function rankingsFolder(): string {
  const folder = process.env.ATTUNE_BENCH_RANKINGS;
  const missing = Object.values(files).filter((file) => !existsSync(path.join(folder ?? "", file)));
  if (folder && missing.length === 0) return folder;
  const fact = folder
    ? `${folder} does not hold ${missing.join(" and ")}`
    : "ATTUNE_BENCH_RANKINGS is not set";
  throw new Error(
    `${fact}. It has to name the folder with ${Object.values(files).join(" and ")}, rankings of answers to prompts of AlpacaEval and OpenAssistant, which do not come with this project.`,
  );
}

/** Prompts without a pair of different rank teach nothing, and tell nothing. */
async function promptsWithPairs(file: string): Promise<RankedPrompt[]> {
  const prompts: RankedPrompt[] = [];
  for await (const read of readRankings(await openRankings(file)))
    if ("record" in read && countRecordPairs(read.record).comparisons > 0) prompts.push(read.record);
  return prompts;
}

async function measureDataset(name: Dataset, settings: Settings, most: number): Promise<RewardData> {
  const config = { ...parseConfig(rewardConfigSchema, settings), seed, folds: partCount };
  const onEvent = (event: RewardEvent) => {
    if (event.type === "note") progress(name, event.text);
  };
  const folds = await measureFolds(config, { most, onEvent });
  const perFold = folds.map(({ prompts, seconds }) => ({
    ...rounded({ ...accuraciesOf(prompts), minutes: seconds / 60 }),
    prompts: prompts.length,
  }));
  const measured = process.env.ATTUNE_BENCH_CURVE !== "0";
  const heldOutShare = 1 / partCount;
  const curve = measured
    ? await measureLearningCurve({ ...config, validationShare: heldOutShare }, { onEvent })
    : null;
  return {
    ...summarise(folds.flatMap(({ prompts }) => prompts)),
    minutes: Number(perFold.reduce((sum, { minutes }) => sum + minutes, 0).toFixed(1)),
    folds: perFold,
    curve: curve?.points.map(describePoint) ?? [],
  };
}

function describePoint({ prompts, accuracy: { share, interval } }: LearningCurve["points"][number]) {
  const { low = Number.NaN, high = Number.NaN } = interval ?? {};
  return { prompts, ...rounded({ accuracy: share ?? Number.NaN, low, high }) };
}

/** By prompt, over its pairs: how many ours and the longer text order right, ties counting half. */
type PromptCounts = { pairs: number; ours: number; longer: number };

function countsOf({ responses, rankings }: ScoredPrompt): PromptCounts {
  const counts = { pairs: 0, ours: 0, longer: 0 };
  const credit = (chosen: number, rejected: number) =>
    chosen > rejected ? 1 : chosen === rejected ? 0.5 : 0;
  const score = (place: number) => responses[place]?.score ?? Number.NaN;
  const length = (place: number) => responses[place]?.text.length ?? Number.NaN;
  for (const { ranks } of rankings) {
    for (const [chosen, better] of ranks.entries()) {
      for (const [rejected, worse] of ranks.entries()) {
        if (better === null || worse === null || better >= worse) continue;
        counts.pairs++;
        counts.ours += credit(score(chosen), score(rejected));
        counts.longer += credit(length(chosen), length(rejected));
      }
    }
  }
  return counts;
}

const share = (
  counts: readonly PromptCounts[],
  of: (each: PromptCounts) => number,
  weights?: ArrayLike<number>,
) => {
  let [sum, pairs] = [0, 0];
  for (const [i, each] of counts.entries()) {
    const weight = weights?.[i] ?? 1;
    sum += weight * of(each);
    pairs += weight * each.pairs;
  }
  return pairs === 0 ? Number.NaN : sum / pairs;
};

function accuraciesOf(scored: readonly ScoredPrompt[]) {
  const counts = scored.map(countsOf);
  return { accuracy: share(counts, ({ ours }) => ours), longerWins: share(counts, ({ longer }) => longer) };
}

function summarise(scored: readonly ScoredPrompt[]) {
  const counts = scored.map(countsOf);
  const interval = (of: (each: PromptCounts) => number) =>
    bootstrapInterval(counts.length, (weights) => share(counts, of, weights), { seed });
  const ours = interval((each) => each.ours);
  const difference = ({ ours: right, longer }: PromptCounts) => right - longer;
  return {
    ...rounded({
      ...accuraciesOf(scored),
      low: ours?.low ?? Number.NaN,
      high: ours?.high ?? Number.NaN,
      margin: share(counts, difference),
      marginLow: interval(difference)?.low ?? Number.NaN,
    }),
    pairs: counts.reduce((sum, { pairs }) => sum + pairs, 0),
    prompts: counts.length,
  };
}

/** A ten-thousandth is less than any interval here can tell. */
function rounded<T extends Record<string, number>>(values: T): T {
  const entries = Object.entries(values).map(([key, value]) => [key, Number(value.toFixed(4))]);
  return Object.fromEntries(entries) as T;
}
