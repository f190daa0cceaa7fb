/** @file A conversation as tokens, as chat renders it, with the loss on what the assistant says. */
import type { ChatTemplate } from "../tokenizer/chat-template";
import { type ConversationMessage, renderConversation } from "../tokenizer/render-conversation";
import type { Tokenizer } from "../tokenizer/tokenizer";
import type { Example } from "./packing";

export type ExampleOutcome = Example | { reason: string };

/**
 * Counted are the tokens of each response up to and with the token that ends it: what the model itself has to say.
 * @param limits in tokens: the model's context, and the row it has to fit
 * @returns the example, or why there is none
 */
export function conversationExample(
  { tokenizer, chatTemplate }: { tokenizer: Tokenizer; chatTemplate: ChatTemplate },
  messages: readonly ConversationMessage[],
  { contextLength, rowLength }: { contextLength: number; rowLength: number },
): ExampleOutcome {
  const unlimited = { contextLength: Number.MAX_SAFE_INTEGER };
  const render = (upTo: number, finished: boolean) =>
    renderConversation(tokenizer, chatTemplate, messages.slice(0, upTo), { ...unlimited, finished }).tokens;
  const tokens = render(messages.length, true);
  if (tokens.length > contextLength) {
    return { reason: `takes ${tokens.length} tokens, more than the model's context of ${contextLength}` };
  }
  if (tokens.length > rowLength) {
    return { reason: `takes ${tokens.length} tokens, more than the rowLength of ${rowLength}` };
  }

  const counted = tokens.map(() => false);
  for (const [index, { role }] of messages.entries()) {
    if (role !== "assistant") continue;
    const prompt = render(index, false);
    if (prompt.some((token, at) => token !== tokens[at])) {
      return { reason: "is rendered by the chat template in a way that hides where a response begins" };
    }
    const end = tokens.findIndex((token, at) => at >= prompt.length && tokenizer.endTokenIds.includes(token));
    if (end < 0) return { reason: "has a response that the chat template does not end by an end token" };
    counted.fill(true, prompt.length, end + 1);
  }
  return { tokens, counted };
}
