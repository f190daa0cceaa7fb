/** @file The tiny model of the repository, loaded as a policy: what people get out of it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadGenerator } from "@/model/runtime/generator";
import type { GenerationEvent, GenerationRequest, Generator, Sampling } from "@/model/runtime/types";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";
import { tinyModelFolder } from "@/tests/helpers/tiny-model";

const sampling: Sampling = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  maxTokens: 24,
  stop: [],
  seed: 11,
};
const ask = (content: string, change: Partial<Sampling> = {}): GenerationRequest => ({
  messages: [{ role: "user", content }],
  sampling: { ...sampling, ...change },
});

describe("a loaded policy", () => {
  let generator: Generator;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
    const options = { precision: "int8" as const, threads: 1, slots: 3, cacheFolder: folder.path };
    generator = await loadGenerator(tinyModelFolder, options);
  });
  afterAll(async () => {
    await generator[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  async function answer(request: GenerationRequest, signal?: AbortSignal) {
    const events: GenerationEvent[] = [];
    for await (const event of generator.generate(request, signal)) events.push(event);
    const text = events.map((event) => ("text" in event ? event.text : "")).join("");
    return { events, text, finished: events.at(-1) };
  }

  it("says what it is", () => {
    expect(generator.info).toMatchObject({
      precision: "int8",
      checkpointId: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(generator.info.parameters).toBeGreaterThan(100_000);
  });

  it("gives the same text for the same seed, whatever else runs", async () => {
    const alone = await answer(ask("Tell me about a red ball."));
    const others = ["Hello!", "What is 2 + 3?", "Say it again."].map((text, i) =>
      answer(ask(text, { seed: i })),
    );
    const [together] = await Promise.all([answer(ask("Tell me about a red ball.")), ...others]);
    expect(together?.text).toBe(alone.text);
    expect(alone.text.length).toBeGreaterThan(0);
    const [other] = await Promise.all([answer(ask("Tell me about a red ball.", { seed: 12 }))]);
    expect(other?.text).not.toBe(alone.text);
  });

  it("answers more requests than it has slots, and tells the waiting ones their place", async () => {
    const answers = await Promise.all(
      Array.from({ length: 7 }, (_, i) => answer(ask("Hello!", { seed: i }))),
    );
    for (const { finished } of answers) expect(finished?.type).toBe("finished");
    const places = answers.flatMap(({ events }) => events.filter((event) => event.type === "queued"));
    expect(places.map(({ position }) => position)).toContain(4);
  });

  it("continues a cut answer with the text it would have had", async () => {
    const whole = await answer(ask("Tell me about a red ball.", { maxTokens: 12, temperature: 0 }));
    const half = await answer(ask("Tell me about a red ball.", { maxTokens: 5, temperature: 0 }));
    expect(half.finished).toMatchObject({ reason: "length", completionTokens: 5 });
    const rest = await answer({
      ...ask("", { maxTokens: 7, temperature: 0 }),
      messages: [
        { role: "user", content: "Tell me about a red ball." },
        { role: "assistant", content: half.text },
      ],
      continueLast: true,
    });
    expect(half.text + rest.text).toBe(whole.text);
  });

  it("goes on after tokens that were drawn before, with the very tokens it would have drawn", async () => {
    const request = ask("Tell me about a red ball.", { maxTokens: 12, temperature: 1.2, seed: 7 });
    const tokensOf = ({ events }: { events: GenerationEvent[] }) =>
      events.flatMap((event) => (event.type === "token" ? [event] : []));
    const whole = tokensOf(await answer(request));
    expect(whole.length).toBeGreaterThan(5);
    const begun = whole.slice(0, 5).map(({ tokenId }) => tokenId);
    const rest = await answer({ ...request, begun });
    expect(tokensOf(rest).map(({ tokenId }) => tokenId)).toEqual(
      whole.slice(5).map(({ tokenId }) => tokenId),
    );
    const textOf = (events: { text: string }[]) => events.map(({ text }) => text).join("");
    expect(textOf(whole.slice(0, 5)) + rest.text).toBe((await answer(request)).text);
    expect(rest.finished).toMatchObject({ completionTokens: whole.length });
    const all = whole.map(({ tokenId }) => tokenId);
    expect(
      tokensOf(
        await answer({ ...request, begun: all.slice(0, 5), sampling: { ...request.sampling, maxTokens: 5 } }),
      ),
    ).toEqual([]);
  });

  it("stops within one token when it is cancelled", async () => {
    const controller = new AbortController();
    const seen: GenerationEvent[] = [];
    for await (const event of generator.generate(ask("Hello!", { maxTokens: 100 }), controller.signal)) {
      seen.push(event);
      if (seen.filter(({ type }) => type === "token").length === 3) controller.abort();
    }
    expect(seen.filter(({ type }) => type === "token").length).toBeLessThanOrEqual(4);
    expect(seen.at(-1)).toMatchObject({ type: "finished", reason: "cancelled" });
  });

  it("reports log-probabilities that belong to a distribution", async () => {
    const { events } = await answer({ ...ask("Hello!", { temperature: 0 }), topLogprobs: 3 });
    const tokens = events.filter((event) => event.type === "token");
    expect(tokens.length).toBeGreaterThan(0);
    for (const { tokenId, logprob, top } of tokens) {
      expect(top.map((token) => token.tokenId)).toContain(tokenId);
      expect(top[0]?.logprob).toBeCloseTo(logprob, 6); // greedy: the chosen one is the most likely
      const mass = top.reduce((sum, token) => sum + Math.exp(token.logprob), 0);
      expect(mass).toBeLessThanOrEqual(1 + 1e-6);
    }
  });
});
