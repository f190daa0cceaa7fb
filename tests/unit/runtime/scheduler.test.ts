import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Scheduler } from "@/model/runtime/scheduler";
import { Sequence } from "@/model/runtime/sequence";
import type { SlotModel } from "@/model/runtime/slot-model";
import type { GenerationEvent, GenerationRequest } from "@/model/runtime/types";
import { loadTokenizer } from "@/model/tokenizer/load-tokenizer";

const { tokenizer } = await loadTokenizer("model/tiny/sft", []);
const vocabularySize = 64;

/** Logits that depend on the whole sequence in the slot, so that a wrong cache gives another text. */
class FakeModel implements SlotModel {
  readonly contextLength = 256;
  readonly vocabularySize = vocabularySize;
  readonly chunkTokens = 8;
  readonly calls: string[] = [];
  failNext: Error | null = null;
  readonly #sequences: number[][];

  constructor(readonly slots: number) {
    this.#sequences = Array.from({ length: slots }, () => []);
  }

  /** One byte a token. */
  get cacheBytes(): number {
    return this.#sequences.reduce((sum, { length }) => sum + length, 0);
  }

  truncate(slot: number, length: number): void {
    const sequence = this.#sequence(slot);
    expect(length).toBeLessThanOrEqual(sequence.length);
    sequence.length = length;
  }

  copy(from: number, to: number, length: number): void {
    expect(length).toBeLessThanOrEqual(this.#sequence(from).length);
    this.calls.push(`copy ${from} ${to} ${length}`);
    this.#sequence(to).splice(0, Number.POSITIVE_INFINITY, ...this.#sequence(from).slice(0, length));
  }

  async prefill(slot: number, tokens: readonly number[]): Promise<Float32Array> {
    expect(tokens.length).toBeLessThanOrEqual(this.chunkTokens);
    this.calls.push(`prefill ${slot} ${tokens.length}`);
    return this.#append(slot, tokens);
  }

  async decode(rows: readonly { slot: number; tokenId: number }[]): Promise<Float32Array[]> {
    this.calls.push(`decode ${rows.map(({ slot }) => slot).join()}`);
    return rows.map(({ slot, tokenId }) => this.#append(slot, [tokenId]));
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #append(slot: number, tokens: readonly number[]): Float32Array {
    if (this.failNext) {
      const error = this.failNext;
      this.failNext = null;
      throw error;
    }
    const sequence = this.#sequence(slot);
    sequence.push(...tokens);
    expect(sequence.length).toBeLessThanOrEqual(this.contextLength);
    let hash = 17;
    for (const token of sequence) hash = Math.imul(hash ^ token, 0x9e3779b1) >>> 0;
    return Float32Array.from(
      { length: vocabularySize },
      (_, id) => (Math.imul(hash ^ id, 0x85ebca6b) >>> 0) / 2 ** 31,
    );
  }

  #sequence(slot: number): number[] {
    return this.#sequences[slot] as number[];
  }
}

type Ask = { prompt?: number[]; maxTokens?: number; seed?: number; priority?: "chat" | "background" };

function sequenceFor({
  prompt = [30, 31, 32],
  maxTokens = 5,
  seed = 1,
  priority = "chat",
}: Ask = {}): Sequence {
  const request: GenerationRequest = {
    messages: [],
    priority,
    sampling: {
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      repetitionPenalty: 1,
      maxTokens,
      stop: [],
      seed,
    },
  };
  return new Sequence(tokenizer, { tokens: prompt, droppedTurns: 0, cutCharacters: 0 }, request, {
    contextLength: 256,
    seed: 0,
  });
}

async function collect(sequence: Sequence): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of sequence.events) events.push(event);
  return events;
}

async function answer(ask: Ask): Promise<number[]> {
  await using scheduler = new Scheduler(new FakeModel(1));
  const sequence = sequenceFor(ask);
  scheduler.add(sequence);
  await collect(sequence);
  return sequence.tokens;
}

describe("the scheduler", () => {
  it("reads the prompt once for several answers to it", async () => {
    const model = new FakeModel(3);
    await using scheduler = new Scheduler(model);
    const prompt = Array.from({ length: 20 }, (_, i) => 30 + i);
    const sequences = [1, 2, 3].map((seed) => sequenceFor({ prompt, seed }));
    for (const sequence of sequences) scheduler.add(sequence);
    await Promise.all(sequences.map(collect));
    for (const [i, sequence] of sequences.entries())
      expect(sequence.tokens).toEqual(await answer({ prompt, seed: i + 1 }));
    const read = model.calls.flatMap((call) =>
      call.startsWith("prefill") ? [Number(call.split(" ")[2])] : [],
    );
    // All of it by the first, and by each of the others its last token, which is never copied.
    expect(read.reduce((sum, tokens) => sum + tokens, 0)).toBe(prompt.length + 2);
  });

  it("gives every sequence the tokens it would get alone, whatever else runs and wherever it is cached", async () => {
    const ask = fc.record({
      // Few different tokens, so that prompts share beginnings and caches are reused.
      prompt: fc.array(fc.constantFrom(40, 41), { minLength: 1, maxLength: 30 }),
      maxTokens: fc.integer({ min: 1, max: 12 }),
      seed: fc.integer({ min: 0, max: 3 }),
      priority: fc.constantFrom("chat" as const, "background" as const),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(ask, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        async (asks, slots) => {
          await using scheduler = new Scheduler(new FakeModel(slots));
          const sequences = asks.map(sequenceFor);
          for (const [index, sequence] of sequences.entries()) {
            scheduler.add(sequence);
            if (index % 3 === 2) await new Promise((resolve) => setImmediate(resolve));
          }
          await Promise.all(sequences.map(collect));
          for (const [index, sequence] of sequences.entries()) {
            expect(sequence.tokens).toEqual(await answer(asks[index] as Ask));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("decodes all that are ready in one step, and reads a long prompt in between", async () => {
    const model = new FakeModel(3);
    await using scheduler = new Scheduler(model);
    const short = [sequenceFor({ maxTokens: 8 }), sequenceFor({ maxTokens: 8, prompt: [50, 51] })];
    const long = sequenceFor({ prompt: Array.from({ length: 40 }, (_, i) => i + 10), maxTokens: 2 });
    for (const sequence of [...short, long]) scheduler.add(sequence);
    await Promise.all([...short, long].map(collect));
    expect(model.calls).toContain("decode 0,1");
    const prefills = model.calls.flatMap((call, index) => (call.startsWith("prefill 2") ? [index] : []));
    expect(prefills).toHaveLength(5);
    for (const [i, at] of prefills.entries()) {
      const before = prefills[i - 1];
      if (before !== undefined)
        expect(model.calls.slice(before, at).some((call) => call.startsWith("decode"))).toBe(true);
    }
  });

  it("reads only the new tokens of a conversation that goes on", async () => {
    const model = new FakeModel(2);
    await using scheduler = new Scheduler(model);
    const first = sequenceFor({ prompt: [40, 41, 42, 43, 44], maxTokens: 3 });
    scheduler.add(first);
    await collect(first);
    const second = sequenceFor({ prompt: [...first.tokens, 50, 51], maxTokens: 2 });
    model.calls.length = 0;
    scheduler.add(second);
    await collect(second);
    // The last sampled token was never read; two are new.
    expect(model.calls[0]).toBe("prefill 0 3");
  });

  it("forgets the longest of the conversations that have ended when they take too much memory", async () => {
    const model = new FakeModel(3);
    await using scheduler = new Scheduler(model, { idleCacheBytes: 20 });
    for (const length of [4, 12, 5]) {
      const sequence = sequenceFor({
        prompt: Array.from({ length }, (_, i) => length + i),
        maxTokens: 2,
      });
      scheduler.add(sequence);
      await collect(sequence);
    }
    // 5, 13 and 6 tokens were read, one more than the prompts: together more than 20.
    expect(model.cacheBytes).toBe(5 + 6);
  });

  it("tells those who wait their place, and each change of it once", async () => {
    await using scheduler = new Scheduler(new FakeModel(1));
    const sequences = [1, 2, 3].map((seed) => sequenceFor({ seed, maxTokens: 3 }));
    for (const sequence of sequences) scheduler.add(sequence);
    const events = await Promise.all(sequences.map(collect));
    const places = events.map((list) =>
      list.flatMap((event) => (event.type === "queued" ? event.position : [])),
    );
    expect(places).toEqual([[], [1], [2, 1]]);
  });

  it("lets chat take the slots of background work, which goes on afterwards as if nothing had happened", async () => {
    const model = new FakeModel(1);
    await using scheduler = new Scheduler(model);
    const background = sequenceFor({ priority: "background", maxTokens: 20, seed: 9 });
    scheduler.add(background);
    while (background.tokens.length < 6) await new Promise((resolve) => setImmediate(resolve));
    const chat = sequenceFor({ maxTokens: 4, seed: 5, prompt: [60, 61] });
    scheduler.add(chat);
    const ended = collect(background);
    await collect(chat);
    expect(background.isEnded).toBe(false);
    expect((await ended).filter((event) => event.type === "started")).toHaveLength(1);
    expect(background.tokens).toEqual(await answer({ maxTokens: 20, seed: 9 }));
  });

  it("ends a cancelled sequence within one token, running or waiting", async () => {
    await using scheduler = new Scheduler(new FakeModel(1));
    const running = sequenceFor({ maxTokens: 200 });
    const waiting = sequenceFor({ maxTokens: 200, seed: 2 });
    scheduler.add(running);
    scheduler.add(waiting);
    const runningEvents: GenerationEvent[] = [];
    let atCancel = 0;
    for await (const event of running.events) {
      runningEvents.push(event);
      if (event.type === "token" && ++atCancel === 3) running.isCancelled = waiting.isCancelled = true;
    }
    expect(runningEvents.at(-1)).toMatchObject({ type: "finished", reason: "cancelled" });
    expect(running.tokens.length - running.promptTokens).toBeLessThanOrEqual(4);
    expect((await collect(waiting)).at(-1)).toMatchObject({ reason: "cancelled", completionTokens: 0 });
  });

  it("fails only the sequences of a run that failed, and answers the next ones", async () => {
    const model = new FakeModel(2);
    await using scheduler = new Scheduler(model);
    model.failNext = new Error("out of memory");
    const [failing, fine] = [sequenceFor(), sequenceFor({ seed: 4 })];
    scheduler.add(failing);
    scheduler.add(fine);
    await expect(collect(failing)).rejects.toThrow("out of memory");
    await collect(fine);
    expect(fine.tokens).toEqual(await answer({ seed: 4 }));
  });

  it("fails what is unfinished when it is closed", async () => {
    const scheduler = new Scheduler(new FakeModel(1));
    const sequence = sequenceFor({ maxTokens: 200 });
    scheduler.add(sequence);
    const events = collect(sequence);
    events.catch(() => {});
    await scheduler[Symbol.asyncDispose]();
    await expect(events).rejects.toThrow("closed");
    const late = sequenceFor();
    scheduler.add(late);
    await expect(collect(late)).rejects.toThrow("closed");
  });

  it("ends at once where the prompt leaves no room", async () => {
    await using scheduler = new Scheduler(new FakeModel(1));
    const sequence = sequenceFor({ prompt: Array.from({ length: 256 }, () => 40) });
    scheduler.add(sequence);
    expect((await collect(sequence)).at(-1)).toMatchObject({ reason: "length", completionTokens: 0 });
  });
});
