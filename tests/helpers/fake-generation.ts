/** @file Generation over real engine processes that run the fake policy; checkpoints are whatever names a test uses. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import type { GenerationEvent, GenerationRequest, Sampling } from "@/model/runtime/types";
import { Generation, type GenerationOptions } from "@/server/generation/generation";
import { compileFakeEngine } from "./compile-fake-engine";

const engineFolder = path.join(os.tmpdir(), `attune-fake-engine-${process.pid}`);
let engineEntry: Promise<string> | undefined;
afterAll(() => fs.rmSync(engineFolder, { recursive: true, force: true }));

/** @param options.slots answers at the same time, 4 by default */
export async function fakeGeneration({
  slots = 4,
  ...options
}: Partial<GenerationOptions> & { slots?: number } = {}): Promise<Generation> {
  engineEntry ??= compileFakeEngine(engineFolder);
  return new Generation({
    engineEntry: await engineEntry,
    engine: { precision: "int8", threads: 1, slots, cacheFolder: os.tmpdir() },
    locate: async (checkpointId) => ({
      name: checkpointId,
      folder: `/models/${checkpointId}`,
      basePlaces: [],
      sizeBytes: 1,
    }),
    onLog: () => {},
    observer: { firstToken: () => {}, token: () => {}, ended: () => {} },
    ...options,
  });
}

export const testSampling: Sampling = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  maxTokens: 10_000,
  stop: [],
  seed: null,
};

export function ask(question: string, sampling: Partial<Sampling> = {}): GenerationRequest {
  return {
    messages: [{ role: "user", content: question }],
    sampling: { ...testSampling, ...sampling },
    priority: "chat",
  };
}

export type Collected = { text: string; tokens: number; events: GenerationEvent[]; error: unknown };

/** Reads to the end; an error ends the collection and is kept. */
export async function collect(events: AsyncIterable<GenerationEvent>): Promise<Collected> {
  const collected: Collected = { text: "", tokens: 0, events: [], error: null };
  try {
    for await (const event of events) {
      collected.events.push(event);
      if (event.type === "token") collected.tokens++;
      if (event.type === "token" || event.type === "finished") collected.text += event.text;
    }
  } catch (error) {
    collected.error = error;
  }
  return collected;
}

export function finishReason({ events }: Collected): string | null {
  const last = events.at(-1);
  return last?.type === "finished" ? last.reason : null;
}

/** Polls until `check` holds. */
export async function waitUntil(check: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const until = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > until) throw new Error(`Not so after ${timeoutMs} ms: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
