/** @file What goes into and comes out of generation: the contract between the runtime, the engine process and the web app. */

export type Role = "system" | "user" | "assistant";
export type ChatMessage = { role: Role; content: string };

export type Sampling = {
  /** 0 means greedy. */
  temperature: number;
  /** 0 means off. */
  topK: number;
  /** 1 means off. */
  topP: number;
  /** 0 means off. Keeps tokens with at least this share of the most likely token's probability. */
  minP: number;
  /** 1 means off. */
  repetitionPenalty: number;
  maxTokens: number;
  /** The text ends before the first of these; none of them appears in the output. */
  stop: string[];
  /** Same seed, same text. Drawn by the runtime when null, and reported in the `started` event. */
  seed: number | null;
};

export type GenerationRequest = {
  messages: ChatMessage[];
  /** The last message is an unfinished assistant turn to go on with, instead of a question to answer. */
  continueLast?: boolean;
  /** Tokens of this very answer, drawn before it was cut: it goes on after them, and its events tell what is new alone. */
  begun?: readonly number[];
  sampling: Sampling;
  /** How many alternatives to report with each token, 0..20. */
  topLogprobs?: number;
  /** Background work (sampling answers for labelers) runs only while no chat waits. */
  priority?: "chat" | "background";
};

export type TokenLogprob = { tokenId: number; text: string; logprob: number };

export type GenerationEvent =
  /** Sent when the place in the queue is taken and whenever it changes; 1 is next. */
  | { type: "queued"; position: number }
  /**
   * `droppedTurns` oldest turns did not fit the context and were left out; where the newest one alone did not fit,
   * `cutCharacters` of its beginning were cut, else 0.
   */
  | { type: "started"; promptTokens: number; droppedTurns: number; cutCharacters: number; seed: number }
  /**
   * One sampled token. `text` is what became readable with it: empty while a character is incomplete or a stop
   * string may be forming. `logprob` is of the untempered model distribution.
   */
  | { type: "token"; tokenId: number; text: string; logprob: number; top: TokenLogprob[] }
  /** `text` is what was still held back. */
  | {
      type: "finished";
      reason: "stop" | "length" | "cancelled";
      text: string;
      promptTokens: number;
      completionTokens: number;
    };

export type GeneratorInfo = {
  checkpointId: string;
  /** Shown to people: "SmolLM2-135M-Instruct". */
  name: string;
  family: "llama" | "qwen2" | "gpt2";
  precision: "fp32" | "int8" | "int4";
  parameters: number;
  contextLength: number;
  vocabularySize: number;
};

/** A loaded policy that answers several requests at once. Aborting `signal` ends the stream within one token. */
export interface Generator extends AsyncDisposable {
  readonly info: GeneratorInfo;
  generate(request: GenerationRequest, signal?: AbortSignal): AsyncGenerator<GenerationEvent, void, void>;
}
