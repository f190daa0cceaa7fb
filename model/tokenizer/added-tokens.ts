/** @file Cuts text at its added tokens, leftmost and longest first, as the Rust tokenizers do. */
import type { AddedToken } from "./tokenizer-definition";

const wordCharacter = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u;

export class AddedTokenSplitter {
  readonly #tokens: ReadonlyMap<string, AddedToken>;
  readonly #pattern: RegExp | null;

  constructor(tokens: readonly AddedToken[]) {
    this.#tokens = new Map(tokens.map((token) => [token.content, token]));
    const contents = [...this.#tokens.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = contents.length > 0 ? new RegExp(contents.map(escapeRegExp).join("|"), "g") : null;
  }

  /** Text between added tokens as strings, never empty; the tokens as their ids. */
  split(text: string): (string | number)[] {
    const sections: (string | number)[] = [];
    let done = 0;
    const pushText = (end: number) => end > done && sections.push(text.slice(done, end));
    for (const match of this.#pattern ? text.matchAll(this.#pattern) : []) {
      const token = this.#tokens.get(match[0]);
      const end = match.index + match[0].length;
      if (!token || match.index < done || (token.single_word && !standsAlone(text, match.index, end)))
        continue;
      const before = token.lstrip
        ? text.slice(done, match.index).replace(/\p{White_Space}+$/u, "").length
        : null;
      pushText(before === null ? match.index : done + before);
      sections.push(token.id);
      done = token.rstrip ? end + (/^\p{White_Space}*/u.exec(text.slice(end))?.[0].length ?? 0) : end;
    }
    pushText(text.length);
    return sections;
  }

  /** The text with `mark` between the characters of every token, so that none is found in it any more. */
  break(text: string, mark: string): string {
    if (!this.#pattern) return text;
    return text.replace(this.#pattern, (token) => Array.from(token).join(mark));
  }
}

function standsAlone(text: string, start: number, end: number): boolean {
  return !wordCharacter.test(text.slice(0, start).slice(-1)) && !wordCharacter.test(text.slice(end, end + 1));
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}
