/** @file Runs of PPO on the shipped tiny model, with a small reward model and short answers, as tests start, stop and resume them. */
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { animals } from "@/model/data/tiny-world";
import { type PpoEvent, type PpoSummary, runPpo } from "@/model/train/ppo";
import { type PpoConfig, ppoConfigSchema } from "@/model/train/ppo-config";
import { runReward } from "@/model/train/reward";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { parseConfig } from "@/model/train/run-config";
import { tinyModelFolder } from "./tiny-model";

/** @returns its checkpoint: it likes small letters, but what it likes is of no matter here */
export async function tinyRewardModel(folder: string): Promise<string> {
  const data = path.join(folder, "rankings.jsonl");
  const lines = animals.map(({ name }) => {
    const responses = [{ text: name.toUpperCase() }, { text: name }];
    return JSON.stringify({ prompt: `Say ${name}`, responses, rankings: [{ ranks: [2, 1] }] });
  });
  await writeFile(data, `${lines.join("\n")}\n`);
  const config = parseConfig(rewardConfigSchema, {
    model: tinyModelFolder,
    data: [data],
    output: path.join(folder, "reward"),
    epochs: 1,
    validationShare: 0.25,
    threads: 1,
    lora: { rank: 4, alpha: 8 },
  });
  return (await runReward(config, { onEvent: () => {} })).checkpoint;
}

/** Stories, of which the tiny model begins some with "Once". @returns the file */
export async function storyPrompts(folder: string): Promise<string> {
  const file = path.join(folder, "prompts.jsonl");
  const rules = [{ type: "words", words: ["once"] }];
  const lines = animals.flatMap(({ name }) =>
    [`Tell me about a ${name}.`, `Write a story about a ${name}.`].map((prompt) =>
      JSON.stringify({ prompt, rules }),
    ),
  );
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

export function ppoConfig(
  { folder, rewardModel, prompts }: { folder: string; rewardModel: string; prompts: string },
  name: string,
  more: Record<string, unknown> = {},
): PpoConfig {
  return parseConfig(ppoConfigSchema, {
    model: tinyModelFolder,
    rewardModels: [rewardModel],
    acceptFailedProbes: true,
    data: [prompts],
    output: path.join(folder, name),
    iterations: 3,
    episodesPerIteration: 8,
    responseTokens: 5,
    // None of them ends within so few.
    unfinishedScore: null,
    minibatches: 2,
    lr: 3e-3,
    warmupSteps: 0,
    criticWarmup: 1,
    validationShare: 0.2,
    evaluationPrompts: 3,
    evaluateEverySteps: 2,
    threads: 1,
    lora: { rank: 4, alpha: 8 },
    ...more,
  });
}

type Watched = { summary: PpoSummary; events: PpoEvent[]; iterations: Record<string, number>[] };

/** @param stopAfter iterations, counted from the run's beginning @param watch called with each event */
export async function runTinyPpo(
  config: PpoConfig,
  {
    stopAfter = Number.POSITIVE_INFINITY,
    controller = new AbortController(),
    watch = () => {},
  }: {
    stopAfter?: number;
    controller?: AbortController;
    watch?: (event: PpoEvent) => void;
  } = {},
): Promise<Watched> {
  const events: PpoEvent[] = [];
  const onEvent = (event: PpoEvent) => {
    events.push(event);
    watch(event);
    if (event.type === "iteration" && event.step + 1 >= stopAfter) controller.abort();
  };
  const summary = await runPpo(config, { onEvent, signal: controller.signal });
  const iterations = events.flatMap((event) => (event.type === "iteration" ? [event.metrics] : []));
  return { summary, events, iterations };
}

/** sha256 of each file of a run's last checkpoint, its state included. */
export async function lastCheckpointOf(output: string): Promise<Record<string, string>> {
  const checkpoints = path.join(output, "checkpoints");
  const last = (await readdir(checkpoints)).toSorted().at(-1) ?? "";
  return await filesOf(path.join(checkpoints, last));
}

export async function filesOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.join(parentPath, name));
  const sums = files.map(async (file) => {
    const sha256 = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    return [path.relative(folder, file), sha256] as const;
  });
  return Object.fromEntries((await Promise.all(sums)).toSorted());
}
