/** @file One request on its way from prompt to answer: its tokens, how they become text, and when it ends. Knows no slots. */
import { TextStream } from "../tokenizer/text-stream";
import type { Tokenizer } from "../tokenizer/tokenizer";
import { EventStream } from "./event-stream";
import { type DrawPlace, drawFor, type SampledToken, type TokenDraw } from "./sampling";
import { StopStrings } from "./stop-strings";
import type { GenerationEvent, GenerationRequest, Sampling } from "./types";

export type Prompt = { tokens: readonly number[]; droppedTurns: number; cutCharacters: number };

export class Sequence {
  readonly events = new EventStream<GenerationEvent>();
  readonly priority: "chat" | "background";
  /** Prompt, then response. */
  readonly tokens: number[];
  readonly promptTokens: number;
  isCancelled = false;
  isEnded = false;

  readonly #tokenizer: Tokenizer;
  readonly #sampling: Sampling;
  readonly #topLogprobs: number;
  /** What did not fit. */
  readonly #left: Omit<Prompt, "tokens">;
  readonly #seed: number;
  readonly #place: DrawPlace | undefined;
  /** Response tokens at most: what was asked for, or what the context leaves. */
  readonly #limit: number;
  readonly #text: TextStream;
  readonly #stop: StopStrings;
  #position: number | null = null;
  #hasStarted = false;

  /** @param seed used where the request names none @param place left out: it is the seed's only text */
  constructor(
    tokenizer: Tokenizer,
    prompt: Prompt,
    request: GenerationRequest,
    { contextLength, seed, place }: { contextLength: number; seed: number; place?: DrawPlace },
  ) {
    this.priority = request.priority ?? "chat";
    this.tokens = [...prompt.tokens];
    this.promptTokens = prompt.tokens.length;
    this.#tokenizer = tokenizer;
    this.#sampling = request.sampling;
    this.#topLogprobs = request.topLogprobs ?? 0;
    this.#left = { droppedTurns: prompt.droppedTurns, cutCharacters: prompt.cutCharacters };
    this.#seed = request.sampling.seed ?? seed;
    this.#place = place;
    this.#limit = Math.min(request.sampling.maxTokens, contextLength - this.promptTokens);
    this.#text = new TextStream(tokenizer);
    this.#stop = new StopStrings(request.sampling.stop);
    for (const tokenId of request.begun ?? []) this.#goOnAfter(tokenId);
  }

  /** Its text was told when it was drawn; what was held back then is held back again. */
  #goOnAfter(tokenId: number): void {
    this.tokens.push(tokenId);
    this.#stop.push(this.#text.push(tokenId));
  }

  /** 1 is next. Told once per change. */
  waitAt(position: number): void {
    if (this.#position === position || this.#hasStarted) return;
    this.#position = position;
    this.events.push({ type: "queued", position });
  }

  /** Harmless the second time: a sequence that lost its slot starts again where it was. */
  start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    const { promptTokens } = this;
    this.events.push({ type: "started", promptTokens, ...this.#left, seed: this.#seed });
    if (this.tokens.length - promptTokens >= this.#limit) this.end("length");
  }

  /**
   * Draws the next token. The draw depends on the seed and the place in the sequence alone, so an answer that was cut
   * and is continued gets the text it would have had.
   * @param logits (V), after the last token
   */
  extend(logits: Float32Array, sample: (draw: TokenDraw) => SampledToken): void {
    const { tokenId, logprob, top } = sample({
      logits,
      sampling: this.#sampling,
      seenTokens: this.tokens,
      draw: drawFor(this.#seed, this.tokens.length, this.#place),
      topLogprobs: this.#topLogprobs,
    });
    this.tokens.push(tokenId);
    const isEnd = this.#tokenizer.endTokenIds.includes(tokenId);
    const { text, isStopped } = this.#stop.push(isEnd ? "" : this.#text.push(tokenId));
    const named = top.map((token) => ({ ...token, text: this.#spell(token.tokenId) }));
    this.events.push({ type: "token", tokenId, text, logprob, top: named });
    if (isStopped) this.#finish("stop", "");
    else if (isEnd) this.end("stop");
    else if (this.tokens.length - this.promptTokens >= this.#limit) this.end("length");
  }

  /** Ends the answer; text that was held back comes with it. */
  end(reason: "stop" | "length" | "cancelled"): void {
    if (this.isEnded) return;
    const { text, isStopped } = this.#stop.push(this.#text.end());
    this.#finish(isStopped ? "stop" : reason, isStopped ? text : text + this.#stop.flush());
  }

  fail(error: Error): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.events.end(error);
  }

  #finish(reason: "stop" | "length" | "cancelled", text: string): void {
    this.isEnded = true;
    const completionTokens = this.tokens.length - this.promptTokens;
    this.events.push({
      type: "finished",
      reason,
      text,
      promptTokens: this.promptTokens,
      completionTokens,
    });
    this.events.end();
  }

  #spell(tokenId: number): string {
    return this.#tokenizer.decode([tokenId], { special: true });
  }
}
