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
 * A prompt with more than 16 characters per token of room counts as too long without being tokenised; a message that
 * is cut may leave a few tokens of room.
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

/** Room that may be left over when a message is cut: characters and tokens do not divide evenly. */
const spareTokens = 4;
const mostAttempts = 40;

/** Cuts about as many characters from the front of the turns as it takes; the turns themselves stay. */
function cutToFit(
  renderer: Renderer,
  system: readonly ConversationMessage[],
  turns: readonly ConversationMessage[],
  room: number,
): Rendered & { cutCharacters: number } {
  const render = (cut: number) => ({ cut, rendered: renderer.render([...system, ...cutFront(turns, cut)]) });
  const length = ({ rendered }: ReturnType<typeof render>) => rendered.tokens.length;
  const total = turns.reduce((sum, turn) => sum + turn.content.length, 0);
  let fitting = render(total);
  if (length(fitting) > room) throw new PromptTooLongError(length(fitting), room);
  let tooLong = render(Math.max(0, total - room * charactersPerToken));
  if (length(tooLong) <= room) return { ...tooLong.rendered, cutCharacters: tooLong.cut };
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const gap = fitting.cut - tooLong.cut;
    if (gap <= 1 || room - length(fitting) <= spareTokens) break;
    // Along the line between the two, aimed a little too short; by halving now and then, should the line mislead.
    const share = (length(tooLong) - room + spareTokens / 2) / (length(tooLong) - length(fitting));
    const step = Math.round(gap * (attempt % 4 === 3 ? 0.5 : share));
    const next = render(tooLong.cut + Math.min(gap - 1, Math.max(1, step)));
    if (length(next) <= room) fitting = next;
    else tooLong = next;
  }
  return { ...fitting.rendered, cutCharacters: fitting.cut };
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
    // Every message takes a token at least.
    if (characters > room * charactersPerToken || messages.length > room) return null;
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
