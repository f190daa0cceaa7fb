/**
 * @file How often a reward model of ours orders two responses as judges and people did, on prompts that it never saw, beside
 * "the longer one wins".
 *
 * ATTUNE_BENCH_RANKINGS names the folder that holds alpaca_eval_rankings.jsonl.gz and oasst_trees.jsonl; ATTUNE_BENCH_KEEP one that
 * results are kept in, so that a run that was cut goes on; ATTUNE_BENCH_FOLDS how many of the five parts of the prompts are held out
 * in turn; ATTUNE_BENCH_SETTINGS settings of `attune reward` as JSON; ATTUNE_BENCH_CURVE=0 leaves the learning curve out.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { countRecordPairs } from "@/model/data/rankings/layout";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { openRankings, readRankings } from "@/model/data/rankings/read-rankings";
import { bootstrapInterval } from "@/model/eval/bootstrap";
import { permutation } from "@/model/random/permutation";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { type FoldSettings, progress, trainAndScore } from "./harness/reward-folds";

const files = { alpacaEval: "alpaca_eval_rankings.jsonl.gz", oasst: "oasst_trees.jsonl" } as const;
type Dataset = keyof typeof files;

const partCount = 5;
const seed = 1;
/** Of the prompts trained on, for the learning curve; the whole is the first fold itself. */
const shares = [0.125, 0.25, 0.5];

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
  /** On the prompts held out of the first fold, by the number of prompts trained on. */
  curve: { prompts: number; accuracy: number; minutes: number }[];
};

export type RewardDataBench = Record<Dataset, RewardData> & { n: number; model: string };

/** `quick` takes the tiny model and a few prompts: it shows that the measurement works, not how good anything is. */
export default async function run({ quick }: { quick: boolean }): Promise<RewardDataBench> {
  const source = rankingsFolder();
  const model = quick ? path.resolve("model/tiny/sft") : defaultModelFolder();
  const folder = process.env.ATTUNE_BENCH_KEEP ?? path.join(os.tmpdir(), "attune-reward-data");
  await mkdir(folder, { recursive: true });
  const settings = JSON.parse(process.env.ATTUNE_BENCH_SETTINGS ?? "{}") as Record<string, unknown>;
  const foldSettings = { model, folder, threads: os.availableParallelism(), settings };
  const folds = Number(process.env.ATTUNE_BENCH_FOLDS ?? (quick ? 2 : partCount));
  const measure = async (name: Dataset) => {
    const prompts = await promptsWithPairs(path.join(source, files[name]));
    const used = quick ? prompts.slice(0, 40) : prompts;
    return measureDataset(name, used, { folds, foldSettings });
  };
  const alpacaEval = await measure("alpacaEval");
  const oasst = await measure("oasst");
  return { n: folds, alpacaEval, oasst, model: path.basename(model) };
}

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

type Scored = { prompt: RankedPrompt; scores: readonly number[] };

async function measureDataset(
  name: Dataset,
  prompts: readonly RankedPrompt[],
  { folds, foldSettings }: { folds: number; foldSettings: FoldSettings },
): Promise<RewardData> {
  const order = [...permutation(seed, 0, prompts.length)];
  const part = (of: number) =>
    order.flatMap((place, i) => (i % partCount === of ? (prompts[place] ?? []) : []));
  const others = (of: number) =>
    order.flatMap((place, i) => (i % partCount === of ? [] : (prompts[place] ?? [])));
  const scored: Scored[] = [];
  const perFold: RewardData["folds"] = [];
  const score = async (
    label: string,
    training: readonly RankedPrompt[],
    heldOut: readonly RankedPrompt[],
  ) => {
    const { scores, seconds } = await trainAndScore(
      { name: `${name}-${label}`, training, heldOut },
      foldSettings,
    );
    const own = heldOut.map((prompt, i) => ({ prompt, scores: scores[i] ?? [] }));
    const minutes = (seconds.training + seconds.scoring) / 60;
    const { accuracy, longerWins } = accuraciesOf(own);
    progress(
      `${name}-${label}`,
      `${percent(accuracy)} against ${percent(longerWins)}, ${minutes.toFixed(1)} minutes`,
    );
    return { own, accuracy, longerWins, minutes };
  };
  for (let fold = 0; fold < folds; fold++) {
    const heldOut = part(fold);
    const { own, ...outcome } = await score(`fold${fold}`, others(fold), heldOut);
    scored.push(...own);
    perFold.push({ ...rounded(outcome), prompts: heldOut.length });
  }
  return {
    ...summarise(scored),
    minutes: Number(perFold.reduce((sum, { minutes }) => sum + minutes, 0).toFixed(1)),
    folds: perFold,
    curve: await learningCurve(),
  };

  async function learningCurve(): Promise<RewardData["curve"]> {
    const points: RewardData["curve"] = [];
    const training = others(0);
    if (process.env.ATTUNE_BENCH_CURVE !== "0") {
      for (const share of shares) {
        const some = training.slice(0, Math.round(share * training.length));
        const { accuracy, minutes } = await score(`${some.length}prompts`, some, part(0));
        points.push({ prompts: some.length, ...rounded({ accuracy, minutes }) });
      }
    }
    const [whole] = perFold;
    if (whole) points.push({ prompts: training.length, accuracy: whole.accuracy, minutes: whole.minutes });
    return points;
  }
}

/** By prompt, over its pairs: how many ours and the longer text order right, ties counting half. */
type PromptCounts = { pairs: number; ours: number; longer: number };

function countsOf({ prompt, scores }: Scored): PromptCounts {
  const counts = { pairs: 0, ours: 0, longer: 0 };
  const credit = (chosen: number, rejected: number) =>
    chosen > rejected ? 1 : chosen === rejected ? 0.5 : 0;
  const length = (place: number) => prompt.responses[place]?.text.length ?? Number.NaN;
  for (const { ranks } of prompt.rankings) {
    for (const [chosen, better] of ranks.entries()) {
      for (const [rejected, worse] of ranks.entries()) {
        if (better === null || worse === null || better >= worse) continue;
        counts.pairs++;
        counts.ours += credit(scores[chosen] ?? Number.NaN, scores[rejected] ?? Number.NaN);
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

function accuraciesOf(scored: readonly Scored[]) {
  const counts = scored.map(countsOf);
  return { accuracy: share(counts, ({ ours }) => ours), longerWins: share(counts, ({ longer }) => longer) };
}

function summarise(scored: readonly Scored[]) {
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

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
