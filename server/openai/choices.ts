/** @file One choice of a completion: the events of one generation, gathered and put into OpenAI's words. */
import type { GenerationEvent } from "@/model/runtime/types";

type TokenEvent = Extract<GenerationEvent, { type: "token" }>;
type ApiTokenLogprob = { token: string; logprob: number; bytes: number[] };
export type ApiLogprobs = {
  content: (ApiTokenLogprob & { top_logprobs: ApiTokenLogprob[] })[];
  refusal: null;
};

/** What is gathered of one answer, for the response and for the record. */
export type Choice = {
  index: number;
  text: string;
  tokenIds: number[];
  logprobs: number[];
  apiLogprobs: ApiLogprobs;
  seed: number | null;
  promptTokens: number;
  droppedTurns: number;
  cutCharacters: number;
  /** Null while it is being made. */
  reason: "stop" | "length" | "cancelled" | null;
};

export function newChoice(index: number): Choice {
  return {
    index,
    text: "",
    tokenIds: [],
    logprobs: [],
    apiLogprobs: { content: [], refusal: null },
    seed: null,
    promptTokens: 0,
    droppedTurns: 0,
    cutCharacters: 0,
    reason: null,
  };
}

/** @returns the text that the event adds, and its log-probabilities */
export function applyEvent(
  choice: Choice,
  event: GenerationEvent,
): { text: string; logprobs: ApiLogprobs | null } {
  if (event.type === "started") {
    choice.seed = event.seed;
    choice.promptTokens = event.promptTokens;
    choice.droppedTurns = event.droppedTurns;
    choice.cutCharacters = event.cutCharacters;
  }
  if (event.type === "token") {
    choice.tokenIds.push(event.tokenId);
    choice.logprobs.push(event.logprob);
    choice.text += event.text;
    const logprobs = toLogprobs(event);
    choice.apiLogprobs.content.push(...logprobs.content);
    return { text: event.text, logprobs };
  }
  if (event.type === "finished") {
    choice.reason = event.reason;
    choice.text += event.text;
    return { text: event.text, logprobs: null };
  }
  return { text: "", logprobs: null };
}

/** Cancelled ends are seen by nobody over HTTP; the record calls them stopped. */
export function finishReason({ reason }: Choice): "stop" | "length" {
  return reason === "length" ? "length" : "stop";
}

function toLogprobs({ tokenId, text, logprob, top }: TokenEvent): ApiLogprobs {
  // A token that is half a character adds no text of its own; among the alternatives it is spelled out.
  const token = top.find((other) => other.tokenId === tokenId)?.text ?? text;
  return {
    content: [
      {
        ...spell(token, logprob),
        top_logprobs: top.map((other) => spell(other.text, other.logprob)),
      },
    ],
    refusal: null,
  };
}

function spell(token: string, logprob: number): ApiTokenLogprob {
  return { token, logprob, bytes: [...Buffer.from(token, "utf8")] };
}
