/**
 * @file THE rendering of a conversation to tokens, and the one truncation rule: the system prompt and the newest turns
 * are kept. Chat, labeling, reward model and PPO all use it.
 *
 *   renderConversation(tokenizer, template, messages, { contextLength, reserveTokens?, continueLast? })
 *     -> { tokens, text, droppedTurns, cutCharacters }
 *
 * The rule, in order:
 * 1. Everything fits in contextLength - reserveTokens tokens: nothing is left out.
 * 2. The oldest messages are dropped, no more than needed, so that the conversation begins with a user's message again.
 *    The system prompt stays.
 * 3. Not even the last user message (and an answer begun after it) fits: its beginning is cut, its end is kept, for a
 *    question usually stands at the end of a long paste. `cutCharacters` says how much.
 * 4. The system prompt alone is too long: PromptTooLongError.
 * A prompt with more than 16 characters per token of room counts as too long without being tokenised.
 *
 * Special tokens that people spell out in their messages are text, not tokens: nobody can end a turn from inside it.
 */
import { type ChatTemplate, ChatTemplateError, type TemplateMessage } from "./chat-template";
import type { Tokenizer } from "./tokenizer";

export type ConversationMessage = { role: "system" | "user" | "assistant"; content: string };

export type RenderConversationOptions = {
  /** The model's, in tokens. */
  contextLength: number;
  /** Room for the answer, in tokens. Default 0. */
  reserveTokens?: number;
  /** The last message is an assistant's that was cut: it is left open, to be gone on with. */
  continueLast?: boolean;
  /** Leave the last message closed and open no new turn: for scoring or training on a finished conversation. */
  finished?: boolean;
};

export type RenderedConversation = {
  tokens: number[];
  /** What the tokens spell; equals transformers' apply_chat_template for the messages that were kept. */
  text: string;
  /** How many of the oldest messages were left out, the system prompt not counted. */
  droppedTurns: number;
  /** How many characters at the beginning of what was kept were cut off; 0 unless the last turn alone is too long. */
  cutCharacters: number;
};

export class PromptTooLongError extends Error {
  override readonly name = "PromptTooLongError";
  constructor(
    readonly promptTokens: number,
    readonly room: number,
  ) {
    super(
      `The system prompt alone takes ${promptTokens} tokens and the model has room for ${room}. ` +
        "Shorten the system prompt or lower the longest answer.",
    );
  }
}

const charactersPerToken = 16;

/** @throws PromptTooLongError, ChatTemplateError */
export function renderConversation(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly ConversationMessage[],
  options: RenderConversationOptions,
): RenderedConversation {
  const room = options.contextLength - (options.reserveTokens ?? 0);
  const renderer = new Renderer(tokenizer, template, options);
  const system = messages[0]?.role === "system" ? messages.slice(0, 1) : [];
  const turns = messages.slice(system.length);

  const fits = (kept: readonly ConversationMessage[]) => renderer.renderWithin([...system, ...kept], room);
  const starts = turns.flatMap((turn, index) => (index === 0 || turn.role === "user" ? [index] : []));
  const found = firstThatFits(starts, (start) => fits(turns.slice(start)));
  if (found) return { ...found.rendered, droppedTurns: found.start, cutCharacters: 0 };

  const newest = starts.at(-1) ?? 0;
  const cut = cutToFit(renderer, system, turns.slice(newest), room);
  return { ...cut, droppedTurns: newest };
}

type Rendered = { tokens: number[]; text: string };

type Start = { start: number; rendered: Rendered };

/** Everything is tried first, as most conversations fit; then halving, as dropping more never makes it longer. */
function firstThatFits(starts: readonly number[], render: (start: number) => Rendered | null): Start | null {
  const tryAt = (index: number): Start | null => {
    const start = starts[index] ?? 0;
    const rendered = render(start);
    return rendered && { start, rendered };
  };
  let best = tryAt(0);
  if (best) return best;
  let low = 1;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const found = tryAt(middle);
    if (found) {
      best = found;
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return best;
}

/** Cuts as many characters from the front of the turns as it takes; the turns themselves stay. */
function cutToFit(
  renderer: Renderer,
  system: readonly ConversationMessage[],
  turns: readonly ConversationMessage[],
  room: number,
): Rendered & { cutCharacters: number } {
  const total = turns.reduce((sum, turn) => sum + turn.content.length, 0);
  const render = (cut: number) => renderer.renderWithin([...system, ...cutFront(turns, cut)], room);
  let fitting = render(total);
  if (!fitting)
    throw new PromptTooLongError(renderer.render([...system, ...cutFront(turns, total)]).tokens.length, room);
  let cut = total;
  let tooLittle = Math.max(-1, total - room * charactersPerToken - 1);
  // Tokens may shift by a few where the cut falls, so the halving ends within 8 characters of the least cut.
  while (cut - tooLittle > 8) {
    const middle = (cut + tooLittle) >> 1;
    const rendered = render(middle);
    if (rendered) {
      cut = middle;
      fitting = rendered;
    } else {
      tooLittle = middle;
    }
  }
  return { ...fitting, cutCharacters: cut };
}

function cutFront(turns: readonly ConversationMessage[], characters: number): ConversationMessage[] {
  let left = characters;
  return turns.map((turn) => {
    const cut = Math.min(left, turn.content.length);
    left -= cut;
    // Never half of a surrogate pair: it would be encoded as U+FFFD.
    return { ...turn, content: turn.content.slice(cut).replace(/^[\udc00-\udfff]/, "") };
  });
}

/** Unicode's noncharacters: reserved for inside a program, and taken out before tokenising. */
const marks = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

class Renderer {
  constructor(
    readonly tokenizer: Tokenizer,
    readonly template: ChatTemplate,
    readonly options: RenderConversationOptions,
  ) {}

  /** null when it takes more than `room` tokens. */
  renderWithin(messages: readonly ConversationMessage[], room: number): Rendered | null {
    const characters = messages.reduce((sum, { content }) => sum + content.length, 0);
    if (characters > room * charactersPerToken) return null;
    const rendered = this.render(messages);
    return rendered.tokens.length > room ? null : rendered;
  }

  render(messages: readonly ConversationMessage[]): Rendered {
    const contents = messages.map(({ content }) => content);
    const [breaker, end] = marks.filter((mark) => !contents.some((content) => content.includes(mark)));
    if (!breaker || !end)
      throw new ChatTemplateError("the messages use every noncharacter that could mark them");
    const isOpen = this.options.continueLast ?? false;
    const marked: TemplateMessage[] = messages.map(({ role, content }, index) => {
      const isLast = isOpen && index === messages.length - 1;
      return { role, content: this.tokenizer.breakSpecialTokens(content, breaker) + (isLast ? end : "") };
    });
    const rendered = this.template.render(marked, {
      addGenerationPrompt: !isOpen && !this.options.finished,
      specialTokens: this.tokenizer.special,
    });
    const text = isOpen ? cutAt(rendered, end) : rendered;
    return {
      tokens: this.tokenizer.encode(text, { special: true, ignore: breaker }),
      text: text.replaceAll(breaker, ""),
    };
  }
}

function cutAt(text: string, end: string): string {
  const at = text.lastIndexOf(end);
  if (at < 0) throw new ChatTemplateError("it leaves out the last message, so an answer cannot be continued");
  return text.slice(0, at);
}
