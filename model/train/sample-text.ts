/** @file What a checkpoint says to a few prompts, by the serving runtime; it is loaded for this alone and let go again. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { openCheckpoint } from "../checkpoint/checkpoint";
import { loadModel } from "../runtime/generator";
import { untruncated } from "../runtime/sampling";
import { Scheduler } from "../runtime/scheduler";
import { Sequence } from "../runtime/sequence";

/** What people read, and what the model does. */
export type SamplePrompt = {
  text: string;
  tokens: readonly number[];
  /** The line of data it was taken from; null: it was given. */
  source: SampleSource | null;
};

export type SampleSource = { file: string; line: number };

export type SampleOptions = {
  /** Longest response. */
  tokens: number;
  /** 0 is greedy. */
  temperature: number;
  seed: number;
  threads: number;
  /** Holds the weights as the runtime maps them, while it lasts: four bytes a parameter. */
  scratchFolder: string;
  /** Where the base of an adapter may lie; see `openCheckpoint`. */
  basePlaces: readonly string[];
};

/** Prompts that are answered side by side. */
const slots = 4;

/** @returns a response for each prompt, in their order */
export async function sampleText(
  checkpointFolder: string,
  prompts: readonly SamplePrompt[],
  { tokens: maxTokens, temperature, seed, threads, scratchFolder, basePlaces }: SampleOptions,
): Promise<string[]> {
  const cacheFolder = path.join(scratchFolder, ".sampling");
  // What a killed process left.
  await rm(cacheFolder, { recursive: true, force: true });
  try {
    using checkpoint = await openCheckpoint(checkpointFolder, { basePlaces });
    const contextLength = checkpoint.config.contextLength;
    await using model = await loadModel(checkpoint, null, {
      precision: "fp32",
      threads,
      slots: Math.min(slots, prompts.length),
      cacheFolder,
    });
    await using scheduler = new Scheduler(model);
    const sampling = { ...untruncated, temperature, maxTokens, seed };
    const sequences = prompts.map(({ tokens }) => {
      // The end of what is too long, as chat has it.
      const kept = tokens.slice(-Math.max(1, contextLength - maxTokens));
      const prompt = { tokens: kept, droppedTurns: 0, cutCharacters: 0 };
      return new Sequence(checkpoint.tokenizer, prompt, { messages: [], sampling }, { contextLength, seed });
    });
    for (const sequence of sequences) scheduler.add(sequence);
    return await Promise.all(sequences.map(responseOf));
  } finally {
    await rm(cacheFolder, { recursive: true, force: true });
  }
}

async function responseOf({ events }: Sequence): Promise<string> {
  let text = "";
  for await (const event of events) if ("text" in event) text += event.text;
  return text;
}
