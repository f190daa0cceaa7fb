/** @file `attune score`: what a reward model gives the responses of a file, and, where people ranked them, how far to trust it. */
import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { finished } from "node:stream/promises";
import { type Command, Option } from "commander";
import { readScorable, type ScorableRow } from "@/model/data/read-scorable";
import { findLeaks, type SplitItem } from "@/model/eval/reward/leaks";
import { probeRules } from "@/model/eval/reward/probes";
import { makeRewardReport, type RewardReport, rewardReportFile } from "@/model/eval/reward/report";
import { scoreProbes, scoreRankings, type TextScore } from "@/model/eval/reward/score-rankings";
import type { Uncertainty } from "@/model/eval/reward/uncertainty";
import { type ResponseScore, Scorer } from "@/model/runtime/scorer";
import { defaultThreads, loadEnv } from "@/server/env";
import { basePlaces } from "@/server/models/model-library";
import { CommandFailure } from "./failure";
import { findCheckpoint } from "./find-checkpoint";
import { interruptible } from "./interruptible";

type Flags = {
  model: string;
  data: string[];
  output?: string;
  report?: string;
  training?: string[];
  tokens?: boolean;
  probes: string;
  limit?: string;
  seed: string;
  threads?: string;
  json?: boolean;
};

const shownProblems = 10;

export function addScoreCommand(program: Command): void {
  program
    .command("score")
    .description("score responses with a reward model; of rankings also report how far it can be trusted")
    .requiredOption(
      "--model <model>",
      "folder of a reward model, its name in data/models, or a checkpoint's id",
    )
    .requiredOption(
      "--data <files...>",
      'JSONL with {"prompt", "response"} or {"messages"}, or rankings of any layout that can be imported',
    )
    .option("--output <file>", "where the scores go, one JSON object a line (default: standard output)")
    .option("--report <file>", `of rankings (default: ${rewardReportFile} beside --output)`)
    .option("--training <files...>", "what it was trained on, to look for leaks")
    .option("--tokens", "also the score at each token")
    .addOption(
      new Option("--probes <count>", "prompts that are tried with degenerate responses").default("50"),
    )
    .option("--limit <count>", "score the first prompts only")
    .addOption(new Option("--seed <number>", "of the intervals").default("1"))
    .option("--threads <count>", "threads that compute (default: ATTUNE_THREADS, else all cores)")
    .option("--json", "the last line is a summary as one object")
    .action(score);
}

async function score(flags: Flags): Promise<void> {
  const counts = {
    probes: readCount("--probes", flags.probes),
    seed: readCount("--seed", flags.seed),
    limit: flags.limit === undefined ? Number.POSITIVE_INFINITY : readCount("--limit", flags.limit),
  };
  const env = loadEnv({ ...process.env, ...(flags.threads && { ATTUNE_THREADS: flags.threads }) });
  // What is wrong with the files is said before a model is loaded.
  const problems: string[] = [];
  const rows = (await readScorable(flags.data, (problem) => problems.push(problem))).slice(0, counts.limit);
  for (const problem of problems.slice(0, shownProblems)) console.error(`Left out: ${problem}`);
  if (problems.length > shownProblems) console.error(`and ${problems.length - shownProblems} more.`);
  const training = flags.training ? await readTraining(flags.training) : null;
  using stop = interruptible();
  await using scorer = await Scorer.open(await findCheckpoint(flags.model, "reward model", env), {
    threads: env.ATTUNE_THREADS ?? defaultThreads(),
    basePlaces: basePlaces(env.ATTUNE_DATA),
  });

  const scored = await scoreRows(scorer, rows, { flags, signal: stop.signal });
  const isRanked = rows.some(({ record }) => record.rankings.length > 0);
  const report = isRanked
    ? await makeReport(scorer, rows, scored, { ...counts, training, signal: stop.signal })
    : null;
  const reportFile = report && (flags.report ?? besideOutput(flags.output));
  if (reportFile) await writeFile(reportFile, `${JSON.stringify(report, null, 2)}\n`);
  if (report) console.error(describeReport(report, reportFile));
  if (flags.json) {
    console.log(
      JSON.stringify({
        model: scorer.checkpoint.id,
        prompts: rows.length,
        responses: scored.reduce((sum, scores) => sum + scores.length, 0),
        leftOut: problems.length,
        report: reportFile,
        accuracy: report?.main.accuracy ?? null,
        margin: report?.main.length.margin ?? null,
        passesProbes: report?.probes?.passes ?? null,
        warnings: report?.warnings ?? [],
      }),
    );
  }
}

/** @returns beside the rows; each is written out as soon as it is scored */
async function scoreRows(
  scorer: Scorer,
  rows: readonly ScorableRow[],
  { flags, signal }: { flags: Flags; signal: AbortSignal },
): Promise<ResponseScore[][]> {
  const output = flags.output === undefined ? null : createWriteStream(flags.output);
  const failure = output && new Promise<never>((_, reject) => output.once("error", reject));
  failure?.catch(() => {});
  const all: ResponseScore[][] = [];
  for (const [at, { file, line, record }] of rows.entries()) {
    signal.throwIfAborted();
    const texts = record.responses.map(({ text }) => text);
    const scores = await scorer.score(record.prompt, texts, { tokenValues: flags.tokens ?? false });
    all.push(scores);
    const text = JSON.stringify({
      ...(record.id !== undefined && { id: record.id }),
      file,
      line,
      scores: scores.map(describeScore),
    });
    if (output) output.write(`${text}\n`);
    else console.log(text);
    if (process.stderr.isTTY) process.stderr.write(`\r${at + 1} of ${rows.length} prompts scored`);
  }
  if (process.stderr.isTTY) process.stderr.write("\n");
  if (output && failure) await Promise.race([finished(output.end()), failure]);
  return all;
}

function describeScore({ score, deviation, tokens, cutTokens, tokenTexts, tokenValues }: ResponseScore) {
  return {
    score,
    ...(deviation !== null && { deviation }),
    tokens,
    ...(cutTokens > 0 && { cutTokens }),
    ...(tokenTexts && {
      perToken: tokenTexts.map((text, at) => ({ text, score: tokenValues?.[at] ?? null })),
    }),
  };
}

type ReportOptions = {
  seed: number;
  probes: number;
  training: SplitItem[] | null;
  signal: AbortSignal;
};

async function makeReport(
  scorer: Scorer,
  rows: readonly ScorableRow[],
  scored: readonly ResponseScore[][],
  { seed, probes, training, signal }: ReportOptions,
): Promise<RewardReport> {
  const known = scored[Symbol.iterator]();
  const fromBefore = async (): Promise<readonly TextScore[]> => known.next().value ?? [];
  const prompts = await scoreRankings(
    rows.map(({ file, line, record }) => ({ record, place: { file: path.basename(file), line } })),
    fromBefore,
    { signal },
  );
  const probed = await scoreProbes(
    prompts,
    (prompt, responses) => scorer.score(prompt, responses, { signal }),
    {
      seed,
      most: probes,
      signal,
    },
  );
  const leaks = training && findLeaks(training, prompts);
  return makeRewardReport({
    prompts,
    probed,
    leaks,
    checkpoint: scorer.checkpoint.id,
    madeAt: new Date().toISOString(),
    isHeldOut: leaks && leaks.prompts === 0 ? true : leaks ? false : null,
    seed,
    withTexts: true,
  });
}

async function readTraining(files: readonly string[]): Promise<SplitItem[]> {
  const rows = await readScorable(files, () => {});
  return rows.map(({ file, line, record }) => ({
    id: record.id ?? `${path.basename(file)}:${line}`,
    prompt: record.prompt,
    responses: record.responses,
  }));
}

function readCount(flag: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0) {
    throw new CommandFailure(`${flag} ${text}: give a whole number from 0.`, 2);
  }
  return count;
}

const besideOutput = (output: string | undefined) =>
  output === undefined ? null : path.join(path.dirname(output), rewardReportFile);

function describeReport({ main, probes, warnings }: RewardReport, file: string | null): string {
  const { accuracy, ceiling, length, rankCorrelation, calibration, uncertainty } = main;
  const share = (of: { share: number | null; interval: { low: number; high: number } | null }) =>
    `${percent(of.share)}${of.interval ? ` [${percent(of.interval.low)}, ${percent(of.interval.high)}]` : ""}`;
  const failed = probes?.kinds.filter(({ passes }) => !passes) ?? [];
  return [
    `Accuracy ${share(accuracy)} over ${accuracy.pairs} pairs of ${accuracy.prompts} prompts; ${main.ties} tied pairs left out.`,
    `“The longer wins”: ${share(length.longerWins)}; difference ${share(length.margin)}.`,
    ceiling
      ? `People agree with each other on ${percent(ceiling.agreement)} of ${ceiling.pairs} pairs; accuracy there ${share(ceiling.accuracy)}.`
      : "No two people ranked the same pair: how far people agree is unknown.",
    `Kendall's tau-b ${rankCorrelation.tauB?.toFixed(3) ?? "unknown"}, calibration error ${percent(calibration.error)}.`,
    ...(uncertainty ? [describeUncertainty(uncertainty)] : []),
    ...(probes
      ? [
          failed.length === 0
            ? `All ${probes.kinds.length} kinds of degenerate responses lose.`
            : `Failed probes: ${failed.map(({ kind, ofBest }) => `${probeRules[kind].label} ${percent(ofBest.share)}`).join(", ")}.`,
        ]
      : []),
    ...warnings.map(({ text }) => `Warning: ${text}`),
    file ? `The whole report: ${file}` : "Name a file with --report for the whole report.",
  ].join("\n");
}

function describeUncertainty({ members, byDoubt, byMargin }: Uncertainty): string {
  const list = (thirds: Uncertainty["byDoubt"]) =>
    thirds.map(({ accuracy }) => percent(accuracy.share)).join(", ");
  return `Ensemble of ${members}: accuracy ${list(byDoubt)} from the surest third of the pairs to the least sure; from the widest margins to the narrowest ${list(byMargin)}.`;
}

const percent = (share: number | null) => (share === null ? "unknown" : `${(share * 100).toFixed(1)} %`);
