/**
 * @file k-fold cross-validation of a reward model's training: every ranking is judged once, by a model that had neither its
 * prompt nor, where folds are of labelers, its labeler. What a fold came to is kept in a file, so that a cut run goes on.
 */
import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeFileDurably } from "../checkpoint/file-access";
import { promptClusters, promptKey } from "../data/ranked-examples";
import type { RankedRow } from "../data/read-ranked-data";
import { type Fold, type FoldItem, foldsByLabeler, foldsByPrompt } from "../eval/reward/folds";
import { readReportFile } from "../eval/reward/report-file";
import { type ScoredPair, type ScoredPrompt, scoredPairs } from "../eval/reward/scored-prompt";
import { compareWithLength, type FoldsReport, type FoldWay } from "../eval/reward/trials";
import { type PreparedRow, toScored } from "./reward-run-report";
import type { ExampleScores } from "./reward-trainer";
import { ConfigError } from "./run-config";

export type FoldTrainer = {
  /** Those of the rows that have an untied pair. */
  prepare(rows: readonly RankedRow[]): readonly PreparedRow[];
  /** Trains on some and scores others. */
  train(fold: {
    /** For people. */
    name: string;
    /** Its run's own. */
    folder: string;
    training: readonly PreparedRow[];
    heldOut: readonly PreparedRow[];
  }): Promise<readonly ExampleScores[]>;
};

export type FoldScores = {
  prompts: ScoredPrompt[];
  /** Beside `prompts`: places among all rows, by which a prompt is one however many folds judge it. */
  rows: number[];
  /** Prompts trained on. */
  trained: number;
  labelers: string[];
  seconds: number;
};

export type FoldPlan = { folds: number; by: FoldWay; seed: number; folder: string };

const keptSchema = z.object({
  /** (prompts, responses) without bias. */
  scores: z.array(z.array(z.number())),
  /** Interrupted tries left out. */
  seconds: z.number(),
});

/**
 * Says at once whether the rows make so many folds.
 * @returns trains them, the first `most`
 * @throws ConfigError where they do not
 */
export function trainFolds(rows: readonly RankedRow[], plan: FoldPlan) {
  const items = itemsOf(rows, plan.by);
  const folds = cut(items, plan);
  return async ({
    trainer,
    say,
    most = folds.length,
  }: {
    trainer: FoldTrainer;
    say: (text: string) => void;
    most?: number | undefined;
  }): Promise<FoldScores[]> => {
    const done: FoldScores[] = [];
    for (const [at, fold] of folds.slice(0, most).entries()) {
      const name = `Fold ${at + 1} of ${folds.length}`;
      const chosen = choose(rows, items, fold.heldOut);
      const heldOut = trainer.prepare(chosen.map(({ row }) => row));
      const training = trainer.prepare(choose(rows, items, fold.training).map(({ row }) => row));
      say(`${name}: trains on the rankings of ${training.length} prompts, is judged on ${heldOut.length}.`);
      const { scores, seconds } = await scoreOnce(plan.folder, at, (folder) =>
        trainer.train({ name, folder, training, heldOut }),
      );
      const placeOf = new Map(chosen.map(({ row, at: place }) => [row, place]));
      const scored = {
        prompts: heldOut.map((row, i) => toScored(row, unbiased(scores[i]), noBias)),
        rows: heldOut.map(({ row }) => placeOf.get(row) ?? 0),
        trained: training.length,
        labelers: labelersOf(items, fold, plan),
        seconds,
      };
      const { accuracy, longerWins } = figuresOf([scored], plan.seed);
      say(`${name}: ${percent(accuracy.share)} of pairs right, ${percent(longerWins.share)} by length.`);
      done.push(scored);
    }
    return done;
  };
}

const noBias = { scoreBias: 0, memberBiases: null };
const unbiased = (scores: readonly number[] = []): ExampleScores => ({
  scores: Float32Array.from(scores),
  memberScores: null,
});
const percent = (share: number | null) => (share === null ? "none" : `${(100 * share).toFixed(1)} %`);

export function reportOnFolds(
  folds: readonly FoldScores[],
  { seed, foldsBy: by }: { seed: number; foldsBy: FoldWay },
): FoldsReport {
  return {
    by,
    pooled: figuresOf(folds, seed),
    each: folds.map((fold) => {
      const { accuracy, longerWins } = figuresOf([fold], seed);
      return { training: fold.trained, labelers: fold.labelers, accuracy, longerWins };
    }),
  };
}

type Item = FoldItem & { row: number; ranking: number };

/** One a ranking. */
function itemsOf(rows: readonly RankedRow[], by: FoldWay): Item[] {
  const records = rows.map(({ record }) => record);
  const clusters = by === "prompts" ? promptClusters(records) : [];
  return records.flatMap((record, row) => {
    const prompt = by === "prompts" ? String(clusters[row]) : promptKey(record);
    return record.rankings.map(({ labeler = null }, ranking) => ({ prompt, labeler, row, ranking }));
  });
}

function cut(items: readonly Item[], { folds, by, seed }: FoldPlan): Fold[] {
  const remedy = by === "labelers" ? "Take fewer folds, or fold by prompts (foldsBy)." : "Take fewer folds.";
  try {
    const made = (by === "labelers" ? foldsByLabeler : foldsByPrompt)(items, { folds, seed });
    const empty = made.findIndex(({ training }) => training.length === 0);
    if (empty < 0) return made;
    throw new RangeError(
      `fold ${empty + 1} leaves nothing to train on, for its labelers ranked every prompt that others did.`,
    );
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`folds: ${error.message} ${remedy}`, { cause: error });
  }
}

type ChosenRow = { at: number; row: RankedRow };

/** The rows of some items, with those of their rankings alone. */
function choose(rows: readonly RankedRow[], items: readonly Item[], places: readonly number[]): ChosenRow[] {
  const rankings = new Map<number, Set<number>>();
  for (const place of places) {
    const item = items[place];
    if (item) rankings.set(item.row, (rankings.get(item.row) ?? new Set()).add(item.ranking));
  }
  return rows.flatMap((row, at) => {
    const own = rankings.get(at);
    if (!own) return [];
    const record = { ...row.record, rankings: row.record.rankings.filter((_, place) => own.has(place)) };
    return { at, row: { ...row, record } };
  });
}

function labelersOf(items: readonly Item[], { heldOut }: Fold, { by }: FoldPlan): string[] {
  return by === "prompts" ? [] : [...new Set(heldOut.flatMap((at) => items[at]?.labeler ?? []))].toSorted();
}

/** Of the same rows and settings, which the run's folder stands for, what was scored before is read. */
async function scoreOnce(
  folder: string,
  at: number,
  train: (folder: string) => Promise<readonly ExampleScores[]>,
): Promise<z.output<typeof keptSchema>> {
  const file = path.join(folder, `fold-${at + 1}.json`);
  const kept = await readReportFile(file, keptSchema);
  if (kept) return kept;
  const own = path.join(folder, `fold-${at + 1}`);
  await mkdir(own, { recursive: true });
  const startedAt = performance.now();
  const scores = (await train(own)).map((each) => [...each.scores]);
  const result = { scores, seconds: (performance.now() - startedAt) / 1000 };
  await rm(`${file}.part`, { force: true });
  await writeFileDurably(`${file}.part`, [JSON.stringify(result)]);
  await rename(`${file}.part`, file);
  await rm(own, { recursive: true });
  return result;
}

/** Pairs of one prompt are drawn together, whichever folds judged them. */
function figuresOf(folds: readonly FoldScores[], seed: number) {
  const rows = folds.flatMap((fold) => fold.rows);
  const { pairs } = scoredPairs(folds.flatMap(({ prompts }) => prompts));
  const placed: ScoredPair[] = pairs.map((pair) => ({ ...pair, prompt: rows[pair.prompt] ?? 0 }));
  return compareWithLength(placed, { seed });
}
