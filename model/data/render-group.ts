/** @file A prompt and its responses as the tokens a reward model reads: the prompt as chat renders it, each response up to its end token. */
import type { ChatTemplate } from "../tokenizer/chat-template";
import {
  type ConversationMessage,
  type RenderedConversation,
  renderConversation,
} from "../tokenizer/render-conversation";
import type { Tokenizer } from "../tokenizer/tokenizer";
import type { ResponseGroup } from "./response-groups";

/** A chat template from which no response can be told: it is not for conversations, or changes what was said before. */
export class UnfitTemplateError extends Error {
  override readonly name = "UnfitTemplateError";
}

export type RenderedGroup = ResponseGroup & {
  /** Of the prompt, as in chat: see `renderConversation`. */
  droppedTurns: number;
  cutCharacters: number;
  /** Beside `responses`: how many tokens were cut off its end; the score is then read at the last one kept. */
  cutTokens: number[];
};

/**
 * Prompt and response together take at most `longest` tokens. As in chat at most half of them are kept free for the
 * response; beyond that the end of a response is cut.
 * @throws UnfitTemplateError, PromptTooLongError, ChatTemplateError
 */
export function renderGroup(
  { tokenizer, chatTemplate }: { tokenizer: Tokenizer; chatTemplate: ChatTemplate },
  prompt: readonly ConversationMessage[],
  responses: readonly string[],
  longest: number,
): RenderedGroup {
  const unlimited = { contextLength: Number.MAX_SAFE_INTEGER };
  const whole = renderConversation(tokenizer, chatTemplate, prompt, unlimited);
  const rendered = responses.map((content) => {
    const messages = [...prompt, { role: "assistant" as const, content }];
    const finished = renderConversation(tokenizer, chatTemplate, messages, { ...unlimited, finished: true });
    return responseTokens(tokenizer, { prompt: whole, content, finished });
  });
  const reserveTokens = Math.min(Math.max(...rendered.map(({ length }) => length)), Math.floor(longest / 2));
  const kept =
    whole.tokens.length + reserveTokens <= longest
      ? whole
      : renderConversation(tokenizer, chatTemplate, prompt, { contextLength: longest, reserveTokens });
  const room = longest - kept.tokens.length;
  return {
    prompt: kept.tokens,
    responses: rendered.map((tokens) => tokens.slice(0, room)),
    droppedTurns: kept.droppedTurns,
    cutCharacters: kept.cutCharacters,
    cutTokens: rendered.map(({ length }) => Math.max(0, length - room)),
  };
}

type Finished = { prompt: RenderedConversation; content: string; finished: RenderedConversation };

/** What follows the prompt, up to and with the token that ends the turn. */
function responseTokens(tokenizer: Tokenizer, { prompt, content, finished }: Finished): number[] {
  const { tokens } = finished;
  if (prompt.tokens.some((token, at) => token !== tokens[at]))
    return continuation(tokenizer, { prompt, content, finished });
  const from = prompt.tokens.length;
  const end = tokens.findIndex((token, at) => at >= from && tokenizer.endTokenIds.includes(token));
  if (end < 0) throw withoutEnd();
  return tokens.slice(from, end + 1);
}

/**
 * Of a response whose white space would share a token with the prompt's last line break: the prompt's tokens stay what chat
 * reads, and the response is what a model could have written after them.
 */
function continuation(tokenizer: Tokenizer, { prompt, content, finished }: Finished): number[] {
  const rest = finished.text.slice(prompt.text.length);
  if (!finished.text.startsWith(prompt.text) || !rest.startsWith(content))
    throw new UnfitTemplateError(
      "The chat template renders a conversation so that it hides where a response begins.",
    );
  const after = tokenizer.encode(rest.slice(content.length), { special: true });
  const end = after.findIndex((token) => tokenizer.endTokenIds.includes(token));
  if (end < 0) throw withoutEnd();
  return [...tokenizer.encode(content), ...after.slice(0, end + 1)];
}

const withoutEnd = () => new UnfitTemplateError("The chat template does not end a response by an end token.");
