/** @file A world in which what people want can be computed: prompts with rules, a start policy, and simulated labelers. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { makeGoldPrompts } from "@/model/data/gold-prompts";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { type GoldRule, goldScore } from "@/model/eval/gold";
import { calibrateNoise, simulateRanks } from "@/model/eval/simulated-labelers";
import { createRandom } from "@/model/random/random";
import { renderConversation } from "@/model/tokenizer/render-conversation";
import { chooseLora } from "@/model/train/choose-lora";
import { Rollouts } from "@/model/train/ppo/rollouts";
import { loadWeights } from "@/model/train/train-language-model";

export type WorldPrompt = { prompt: string; rules: readonly GoldRule[] };

export type World = {
  /** To be ranked, to be learned from, and to be judged on; none is in two of them. */
  ranked: WorldPrompt[];
  trained: WorldPrompt[];
  test: WorldPrompt[];
};

export type WorldSizes = { ranked: number; trained: number; test: number };

export function makeWorld(
  { ranked, trained, test }: WorldSizes,
  make = (count: number): WorldPrompt[] => makeGoldPrompts(createRandom(1), count),
): World {
  const all = make(ranked + trained + test);
  return {
    ranked: all.slice(0, ranked),
    trained: all.slice(ranked, ranked + trained),
    test: all.slice(ranked + trained),
  };
}

export type SampleOptions = {
  perPrompt: number;
  maxTokens: number;
  seed: number;
  threads: number;
  scratchFolder: string;
  basePlaces: readonly string[];
};

/** What a policy says, several times to each prompt. @returns by prompt, then response */
export async function sampleResponses(
  folder: string,
  prompts: readonly WorldPrompt[],
  { perPrompt, maxTokens, seed, threads, scratchFolder, basePlaces }: SampleOptions,
): Promise<string[][]> {
  using checkpoint = await openCheckpoint(folder, { basePlaces });
  const { tokenizer, chatTemplate, config, adapter } = checkpoint;
  const asked = chooseLora({ rank: null, alpha: null, targets: null }, checkpoint);
  // A checkpoint that is no adapter is a base without one.
  const trained =
    adapter === null
      ? new Map()
      : (await loadWeights(checkpoint, { lora: asked, seed: 0 }, { resumeFrom: null })).trained;
  const options = { checkpoint, lora: asked, trained, threads, slots: 32, scratchFolder };
  await using rollouts = new Rollouts(options);
  const tokens = prompts.map(({ prompt }) => {
    const messages = [{ role: "user" as const, content: prompt }];
    return renderConversation(tokenizer, chatTemplate, messages, {
      contextLength: config.contextLength,
      reserveTokens: maxTokens,
    }).tokens;
  });
  const several = tokens.flatMap((each) => Array.from({ length: perPrompt }, () => each));
  const places = several.map((_, sample) => ({ step: 0, sample }));
  const responses = await rollouts.sample(several, places, { seed, maxTokens });
  const texts = responses.map((response) =>
    tokenizer.decode(response.isEnded ? response.tokens.slice(0, -1) : response.tokens, { special: true }),
  );
  return prompts.map((_, i) => texts.slice(i * perPrompt, (i + 1) * perPrompt));
}

/** Of each response, by the prompt's rules. */
export const goldOf = (
  prompts: readonly WorldPrompt[],
  responses: readonly (readonly string[])[],
): number[][] =>
  prompts.map(({ rules }, i) => (responses[i] ?? []).map((response) => goldScore(response, rules).score));

/** One simulated labeler's rankings, who agrees with gold on this share of untied pairs. */
export function rankBySimulation(
  prompts: readonly WorldPrompt[],
  responses: readonly (readonly string[])[],
  { agreement, seed }: { agreement: number; seed: number },
): RankedPrompt[] {
  const gold = goldOf(prompts, responses);
  const noise = calibrateNoise(gold, agreement);
  return prompts.map(({ prompt }, task) => ({
    prompt: [{ role: "user", content: prompt }],
    responses: (responses[task] ?? []).map((text) => ({ text })),
    rankings: [{ ranks: simulateRanks(gold[task] ?? [], { noise, seed, labeler: 0, task }) }],
  })) as RankedPrompt[];
}

/** What was computed once under this name is read the next time. */
export async function kept<T>(folder: string, name: string, compute: () => Promise<T>): Promise<T> {
  const file = path.join(folder, `${name}.json`);
  if (existsSync(file)) return JSON.parse(await readFile(file, "utf8")) as T;
  const value = await compute();
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.part`, JSON.stringify(value));
  await rename(`${file}.part`, file);
  return value;
}
