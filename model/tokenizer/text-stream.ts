/** @file Turns tokens into text as they come, holding back bytes that do not yet make a character. */
import type { Tokenizer } from "./tokenizer";

/** What `push` and `end` return, joined, equals `tokenizer.decode` of all the tokens. */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #special: boolean;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #isAtStart = true;

  constructor(tokenizer: Tokenizer, options: { special?: boolean } = {}) {
    this.#tokenizer = tokenizer;
    this.#special = options.special ?? false;
  }

  /** The text that became readable with this token; often empty inside an emoji. */
  push(tokenId: number): string {
    if (!this.#special && this.#tokenizer.isSpecial(tokenId)) return "";
    return this.#strip(this.#decoder.decode(this.#tokenizer.tokenBytes(tokenId), { stream: true }));
  }

  /** What is still held back, as U+FFFD if it never became a character. The stream is then spent. */
  end(): string {
    return this.#strip(this.#decoder.decode());
  }

  #strip(text: string): string {
    if (!this.#isAtStart || text === "") return text;
    this.#isAtStart = false;
    return this.#tokenizer.stripsLeadingSpace && text.startsWith(" ") ? text.slice(1) : text;
  }
}
