/** @file One reward model trained on some prompts and asked about others; what it said is kept in a file, so that a cut run goes on. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { readManifest } from "@/model/checkpoint/checkpoint";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { writeRankings } from "@/model/data/rankings/write-rankings";
import { Scorer } from "@/model/runtime/scorer";
import { runReward } from "@/model/train/reward";
import { type RewardConfig, rewardConfigSchema } from "@/model/train/reward-config";
import { parseConfig } from "@/model/train/run-config";

export type Fold = {
  /** For messages and file names. */
  name: string;
  training: readonly RankedPrompt[];
  heldOut: readonly RankedPrompt[];
};

export type FoldSettings = {
  model: string;
  /** Where runs and results lie. */
  folder: string;
  threads: number;
  /** Settings of `attune reward` that differ from its defaults. */
  settings: Record<string, unknown>;
};

const resultSchema = z.object({
  /** By held-out prompt, then response. */
  scores: z.array(z.array(z.number())),
  seconds: z.object({ training: z.number(), scoring: z.number() }),
});
export type FoldResult = z.infer<typeof resultSchema>;

/**
 * Of the same data, model and settings (defaults included), the result is read where it was computed before; an interrupted run is
 * resumed. A change of the code is not noticed: empty the folder then.
 */
export async function trainAndScore(
  fold: Fold,
  { model, folder, threads, settings }: FoldSettings,
): Promise<FoldResult> {
  // What is held out is the bench's; the run needs none.
  const own = { validationShare: 0, saveEverySteps: 10, ...settings };
  const configFor = (data: string, output: string) =>
    parseConfig(rewardConfigSchema, { ...own, model, data: [data], output, threads });
  const { id } = await readManifest(model);
  const recipe = { ...configFor("data", "output"), model: id };
  const key = sha256(JSON.stringify([recipe, fold.training, fold.heldOut])).slice(0, 12);
  const kept = path.join(folder, `${fold.name}-${key}.json`);
  if (existsSync(kept)) return resultSchema.parse(JSON.parse(await readFile(kept, "utf8")));

  const output = path.join(folder, `${fold.name}-${key}`);
  await mkdir(output, { recursive: true });
  const data = path.join(output, "training.jsonl");
  await writeFile(data, writeRankings(fold.training, "kWay"));
  const config = configFor(data, path.join(output, "run"));
  const trained = await timed(output, "training", () => train(fold.name, config));
  const scored = await timed(output, "scoring", () => score(trained.value, fold, { model, threads }));
  const result: FoldResult = {
    scores: scored.value,
    seconds: { training: trained.seconds, scoring: scored.seconds },
  };
  await writeFile(`${kept}.part`, JSON.stringify(result));
  await rename(`${kept}.part`, kept);
  await rm(output, { recursive: true });
  return result;
}

/** @returns the folder of the checkpoint */
async function train(name: string, config: RewardConfig): Promise<string> {
  let said = performance.now();
  const { checkpoint, finished } = await runReward(config, {
    onEvent: (event) => {
      if (event.type === "note") progress(name, event.text);
      if (event.type !== "step" || performance.now() - said < 60_000) return;
      said = performance.now();
      progress(name, `step ${event.step + 1} of ${event.totalSteps}, loss ${event.loss.toFixed(3)}`);
    },
  });
  if (!finished) throw new Error(`${name}: the run ended early`);
  return checkpoint;
}

async function score(checkpoint: string, { heldOut }: Fold, options: { model: string; threads: number }) {
  const { threads, model } = options;
  await using scorer = await Scorer.open(checkpoint, { threads, basePlaces: [model, path.dirname(model)] });
  const scores: number[][] = [];
  for (const { prompt, responses } of heldOut) {
    const texts = responses.map(({ text }) => text);
    scores.push((await scorer.score(prompt, texts)).map((each) => each.score));
  }
  return scores;
}

/** Seconds, those of interrupted tries included. */
async function timed<T>(
  folder: string,
  name: string,
  work: () => Promise<T>,
): Promise<{ value: T; seconds: number }> {
  const file = path.join(folder, `${name}.seconds`);
  const before = existsSync(file) ? Number(await readFile(file, "utf8")) : 0;
  const startedAt = performance.now();
  const secondsSoFar = () => before + (performance.now() - startedAt) / 1000;
  const noting = setInterval(() => void writeFile(file, String(secondsSoFar())), 10_000);
  try {
    return { value: await work(), seconds: secondsSoFar() };
  } finally {
    clearInterval(noting);
  }
}

export function progress(name: string, text: string): void {
  console.error(`${name}: ${text}`);
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
