/** @file A policy without a model: deterministic text at a chosen speed, told what to do by the question it is asked. */
import type { GenerationEvent, GenerationRequest, Generator, GeneratorInfo } from "@/model/runtime/types";

/**
 * Written into the question, such as `tell me [tokens=40] [delay=5]`:
 * `tokens` how many come before the policy ends (12), `delay` milliseconds before each (0), `crash` the token at which the
 * process dies, `fail` the token at which the request fails, `dropped` turns and `cut` characters reported as left out. The text follows the
 * question alone, unless `seeded` is 1.
 */
type Directives = Record<"tokens" | "delay" | "crash" | "fail" | "dropped" | "cut" | "seeded", number>;

const words = "amber birch cedar delta ember fjord grove haven inlet jetty knoll lagoon".split(" ");

export class FakeGenerator implements Generator {
  constructor(readonly info: GeneratorInfo) {}

  async *generate(
    request: GenerationRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, void> {
    if (this.info.name.startsWith("mute")) throw new Error("the fake does not speak");
    const question = request.messages.findLast(({ role }) => role === "user")?.content ?? "";
    const { tokens, delay, crash, fail, dropped, cut, seeded } = readDirectives(question);
    const { sampling, continueLast, begun = [] } = request;
    const seed = sampling.seed ?? 0;
    const source = seeded ? seed : hash(question);
    const promptTokens = request.messages.reduce((sum, { content }) => sum + content.split(" ").length, 0);
    const before = continueLast ? (request.messages.at(-1)?.content ?? "") : "";
    const done = before.split(" ").filter(Boolean).length;
    yield { type: "started", promptTokens, droppedTurns: dropped, cutCharacters: cut, seed };
    let text = before + begun.map((id, i) => `${done + i === 0 ? "" : " "}${words[id]}`).join("");
    let count = begun.length;
    const finish = (reason: "stop" | "length" | "cancelled"): GenerationEvent => ({
      type: "finished",
      reason,
      text: "",
      promptTokens,
      completionTokens: count,
    });
    for (let index = done + begun.length; index < tokens; index++) {
      if (delay > 0) await sleep(delay, signal);
      if (signal?.aborted) return yield finish("cancelled");
      if (count >= sampling.maxTokens) return yield finish("length");
      if (index === crash) process.kill(process.pid, "SIGKILL");
      if (index === fail) throw new Error("the fake was asked to fail");
      const { word, tokenId } = wordAt(source, index);
      const piece = index === 0 ? word : ` ${word}`;
      count++;
      const stopAt = findStop(text + piece, sampling.stop);
      yield tokenEvent(tokenId, stopAt === null ? piece : (text + piece).slice(text.length, stopAt), request);
      if (stopAt !== null) return yield finish("stop");
      text += piece;
      // Like a real runtime, let cancellations in between two steps.
      await new Promise((resolve) => setImmediate(resolve));
    }
    yield finish("stop");
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** What the fake says to a question, in full. */
export function fakeAnswer(question: string, source = hash(question)): string {
  const { tokens } = readDirectives(question);
  return Array.from({ length: tokens }, (_, index) => wordAt(source, index).word).join(" ");
}

/** Takes the name from the last part of the folder, so that tests can tell checkpoints apart; `broken` cannot be loaded, `mute` not answer. */
export async function loadFakeGenerator(folder: string): Promise<Generator> {
  const name = folder.split("/").at(-1) ?? folder;
  if (name.startsWith("broken")) throw new Error(`${folder} holds no model`);
  return new FakeGenerator({
    checkpointId: name,
    name,
    family: "llama",
    precision: "int8",
    parameters: 1,
    contextLength: 2048,
    vocabularySize: words.length,
  });
}

function readDirectives(question: string): Directives {
  const found = [...question.matchAll(/\[(\w+)=(\d+)\]/g)].map(([, key, value]) => [key, Number(value)]);
  return {
    tokens: 12,
    delay: 0,
    crash: -1,
    fail: -1,
    dropped: 0,
    cut: 0,
    seeded: 0,
    ...Object.fromEntries(found),
  };
}

function wordAt(source: number, index: number): { word: string; tokenId: number } {
  const tokenId = (Math.imul(source + index * 7919, 2654435761) >>> 8) % words.length;
  return { word: words[tokenId] ?? "", tokenId };
}

function tokenEvent(tokenId: number, text: string, { topLogprobs = 0 }: GenerationRequest): GenerationEvent {
  const top = words
    .slice(0, topLogprobs)
    .map((word, id) => ({ tokenId: id, text: ` ${word}`, logprob: -1 - id / 10 }));
  return { type: "token", tokenId, text, logprob: -0.5, top };
}

/** Where the first of the stop strings begins; null while none is complete. */
function findStop(text: string, stop: string[]): number | null {
  const places = stop.map((s) => text.indexOf(s)).filter((place) => place >= 0);
  return places.length > 0 ? Math.min(...places) : null;
}

function hash(text: string): number {
  let value = 17;
  for (const character of text) value = (Math.imul(value, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return value % 100_000;
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const wake = () => {
      clearTimeout(timer);
      resolve();
    };
    signal?.addEventListener("abort", wake, { once: true });
  });
}
