/**
 * @file A checkpoint in the form in which it is served (adapter, quantisation and all), for measuring: it answers many
 * conversations, and tells how likely a text is.
 */
import { type Checkpoint, openCheckpoint } from "../checkpoint/checkpoint";
import { UnsupportedModelError } from "../checkpoint/errors";
import { type LoadOptions, loadModel } from "../runtime/generator";
import { logSumExp, untruncated } from "../runtime/sampling";
import { Scheduler } from "../runtime/scheduler";
import { Sequence } from "../runtime/sequence";
import type { TransformerSlots } from "../runtime/transformer-slots";
import type { ChatTemplate } from "../tokenizer/chat-template";
import { type ConversationMessage, renderConversation } from "../tokenizer/render-conversation";
import type { Tokenizer } from "../tokenizer/tokenizer";

export type Conversation = readonly ConversationMessage[];

export type PolicyResponse = {
  text: string;
  /** End-of-text included. */
  tokens: number[];
  /** Whether the policy ended it (or a stop string did), or the limit. */
  isFinished: boolean;
  /** Whether the conversation did not fit the context and was cut. */
  isCut: boolean;
};

export type RespondOptions = {
  maxTokens: number;
  stop?: readonly string[];
  /** Default 0: greedy. */
  temperature?: number;
  seed?: number;
  signal?: AbortSignal | undefined;
  /** Told after each response, in the order in which they end. */
  onResponse?: () => void;
};

export class ServedPolicy implements AsyncDisposable {
  readonly checkpointId: string;
  readonly name: string;
  readonly hasAdapter: boolean;
  readonly tokenizer: Tokenizer;
  readonly #chatTemplate: ChatTemplate;
  readonly #model: TransformerSlots;

  private constructor(
    { id, manifest, adapter, tokenizer, chatTemplate }: Checkpoint,
    model: TransformerSlots,
  ) {
    this.checkpointId = id;
    this.name = manifest.name;
    this.hasAdapter = adapter !== null;
    this.tokenizer = tokenizer;
    this.#chatTemplate = chatTemplate;
    this.#model = model;
  }

  /** @param options.withoutAdapter the base alone, of a checkpoint that is an adapter. @throws what `loadGenerator` throws */
  static async open(
    folder: string,
    { withoutAdapter = false, ...options }: LoadOptions & { withoutAdapter?: boolean },
  ): Promise<ServedPolicy> {
    using checkpoint = await openCheckpoint(folder, options);
    const { stage, name } = checkpoint.manifest;
    if (stage === "reward")
      throw new UnsupportedModelError(
        `a reward model (${name}), which answers nothing`,
        "a policy; attune score measures reward models",
      );
    const parts = withoutAdapter ? { ...checkpoint, adapter: null } : checkpoint;
    return new ServedPolicy(checkpoint, await loadModel(parts, null, options));
  }

  /** @returns a response to each, in their order */
  async respond(
    conversations: readonly Conversation[],
    { maxTokens, stop = [], temperature = 0, seed = 0, signal, onResponse }: RespondOptions,
  ): Promise<PolicyResponse[]> {
    const { contextLength } = this.#model;
    const sampling = { ...untruncated, temperature, maxTokens, seed, stop: [...stop] };
    await using scheduler = new Scheduler(this.#model);
    const asked = conversations.map((messages, sample) => {
      const prompt = this.#render(messages, maxTokens);
      const request = { messages: [], sampling };
      const place = { step: 0, sample };
      const sequence = new Sequence(this.tokenizer, prompt, request, { contextLength, seed, place });
      return { sequence, isCut: prompt.droppedTurns > 0 || prompt.cutCharacters > 0 };
    });
    const cancel = () => {
      for (const { sequence } of asked) sequence.isCancelled = true;
    };
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      for (const { sequence } of asked) scheduler.add(sequence);
      const responses = await Promise.all(
        asked.map(async ({ sequence, isCut }) => ({ ...(await readResponse(sequence, onResponse)), isCut })),
      );
      signal?.throwIfAborted();
      return responses;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /**
   * How likely each continuation is as the answer to a conversation, the conversation read once for all.
   * @returns the log-probability of each of its tokens, in nats
   */
  async answerLogprobs(conversation: Conversation, continuations: readonly string[]): Promise<number[][]> {
    const encoded = continuations.map((text) => this.tokenizer.encode(text));
    const reserve = Math.max(...encoded.map(({ length }) => length));
    const { tokens } = this.#render(conversation, reserve);
    return this.tokenLogprobs(tokens, encoded);
  }

  /** @param prompt at least one token @returns (continuations, tokens) */
  async tokenLogprobs(
    prompt: readonly number[],
    continuations: readonly (readonly number[])[],
  ): Promise<number[][]> {
    // The last prompt token is read with each continuation: what comes after it is the first that counts.
    const known = prompt.length - 1;
    this.#model.truncate(0, 0);
    for (let at = 0; at < known; at += this.#model.chunkTokens)
      await this.#model.prefill(0, prompt.slice(at, Math.min(known, at + this.#model.chunkTokens)));
    const all: number[][] = [];
    for (const continuation of continuations) {
      this.#model.truncate(0, known);
      all.push(await this.#readOn([...prompt.slice(known), ...continuation]));
    }
    this.#model.truncate(0, 0);
    return all;
  }

  /** @returns of each token after the first, given those before; a text longer than the context is read in pieces */
  async textLogprobs(text: string): Promise<{ logprobs: number[]; bytes: number }> {
    const tokens = this.tokenizer.encode(text);
    const logprobs: number[] = [];
    let unread = 0;
    for (let at = 0; at < tokens.length; at += this.#model.contextLength) {
      const piece = tokens.slice(at, at + this.#model.contextLength);
      const [own] = await this.tokenLogprobs(piece.slice(0, 1), [piece.slice(1)]);
      logprobs.push(...(own ?? []));
      unread += Buffer.byteLength(this.tokenizer.decode(piece.slice(0, 1), { special: true }));
    }
    return { logprobs, bytes: Math.max(1, Buffer.byteLength(text) - unread) };
  }

  promptTokens(conversation: Conversation, reserve: number): number[] {
    return this.#render(conversation, reserve).tokens;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#model[Symbol.asyncDispose]();
  }

  #render(messages: Conversation, reserve: number) {
    const { contextLength } = this.#model;
    return renderConversation(this.tokenizer, this.#chatTemplate, messages, {
      contextLength,
      reserveTokens: Math.min(reserve, Math.floor(contextLength / 2)),
    });
  }

  /** @param tokens (T) appended to what slot 0 holds @returns (T - 1) log-probabilities of all but the first */
  async #readOn(tokens: readonly number[]): Promise<number[]> {
    const logprobs: number[] = [];
    const { chunkTokens } = this.#model;
    for (let at = 0; at + 1 < tokens.length; at += chunkTokens) {
      const chunk = tokens.slice(at, Math.min(tokens.length - 1, at + chunkTokens));
      const rows = await this.#model.score(0, chunk);
      for (const [i, logits] of rows.entries())
        logprobs.push((logits[tokens[at + i + 1] ?? 0] ?? 0) - logSumExp(logits));
    }
    return logprobs;
  }
}

async function readResponse(
  sequence: Sequence,
  onResponse: (() => void) | undefined,
): Promise<Omit<PolicyResponse, "isCut">> {
  let text = "";
  let isFinished = false;
  for await (const event of sequence.events) {
    if ("text" in event) text += event.text;
    if (event.type === "finished") isFinished = event.reason === "stop";
  }
  onResponse?.();
  return { text, tokens: sequence.tokens.slice(sequence.promptTokens), isFinished };
}
