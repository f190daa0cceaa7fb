/**
 * @file Byte-pair merges over one word, in the order of the Rust tokenizers (tokenizers/src/models/bpe/word.rs,
 * merge_all). Attune's own because @huggingface/tokenizers 0.2 leaves pairs unmerged in long words: 6 of the 1,000
 * strings of the parity fixture came out different.
 */
import { BinaryHeap } from "./binary-heap";
import type { TokenizerDefinition } from "./tokenizer-definition";

type Merge = { rank: number; id: number };

/** Ids and positions stay below this, so that a pair of them is one exact number. */
const half = 2 ** 26;
const cachedWords = 10_000;
const longestCachedWord = 256;

export class BytePairEncoder {
  readonly #ids = new Map<string, number>();
  readonly #merges = new Map<number, Merge>();
  readonly #cache = new Map<string, number[]>();
  readonly #model: TokenizerDefinition["model"];

  constructor(model: TokenizerDefinition["model"]) {
    this.#model = model;
    for (const [token, id] of Object.entries(model.vocab)) this.#ids.set(token, id);
    for (const [rank, merge] of model.merges.entries()) {
      const [left, right] = typeof merge === "string" ? splitAtSpace(merge) : merge;
      const [leftId, rightId, id] = [left, right, left + right].map((token) => this.#ids.get(token));
      // A merge whose parts or result are in no vocabulary can never happen.
      if (leftId === undefined || rightId === undefined || id === undefined) continue;
      const key = leftId * half + rightId;
      if (!this.#merges.has(key)) this.#merges.set(key, { rank, id });
    }
  }

  tokenId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** @param word what a pre-tokenizer made; merges never reach over its ends */
  encode(word: string): number[] {
    const cached = this.#cache.get(word);
    if (cached) return cached;
    const whole = this.#model.ignore_merges ? this.#ids.get(word) : undefined;
    const ids = whole === undefined ? this.#mergeAll(this.#symbols(word)) : [whole];
    if (word.length <= longestCachedWord) {
      // Starting over costs less than keeping an order of use.
      if (this.#cache.size >= cachedWords) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  /** One id per character; a character outside the vocabulary as its bytes or as the unknown token, once in a row. */
  #symbols(word: string): number[] {
    const ids: number[] = [];
    let endsUnknown = false;
    for (const character of word) {
      const known = this.#ids.get(character);
      const found = known === undefined ? this.#byteTokens(character) : [known];
      if (found) ids.push(...found);
      else if (this.#unknownId !== undefined && !(endsUnknown && this.#model.fuse_unk))
        ids.push(this.#unknownId);
      endsUnknown = !found;
    }
    return ids;
  }

  get #unknownId(): number | undefined {
    return this.#model.unk_token ? this.#ids.get(this.#model.unk_token) : undefined;
  }

  #byteTokens(character: string): number[] | null {
    if (!this.#model.byte_fallback) return null;
    const ids = [...Buffer.from(character, "utf8")].map((byte) =>
      this.#ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
    );
    const known = ids.filter((id) => id !== undefined);
    return known.length === ids.length ? known : null;
  }

  /** Lowest rank first, leftmost first among equals. Changes `ids` in place; -1 marks what was merged away. */
  #mergeAll(ids: number[]): number[] {
    const next = ids.map((_, at) => (at + 1 < ids.length ? at + 1 : -1));
    const previous = ids.map((_, at) => at - 1);
    const queue = new BinaryHeap<number>((a, b) => a < b);
    const mergeAt = (at: number): Merge | undefined => {
      const right = ids[next[at] ?? -1];
      return right === undefined ? undefined : this.#merges.get((ids[at] ?? -1) * half + right);
    };
    const offer = (at: number) => {
      const merge = mergeAt(at);
      if (merge) queue.push(merge.rank * half + at);
    };
    for (let at = 0; at < ids.length - 1; at++) offer(at);
    for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
      const at = top % half;
      const merge = mergeAt(at);
      // Expired: one of the two was merged into something else since.
      if (ids[at] === -1 || !merge || merge.rank !== Math.floor(top / half)) continue;
      const absorbed = next[at] ?? -1;
      const following = next[absorbed] ?? -1;
      ids[at] = merge.id;
      ids[absorbed] = -1;
      next[at] = following;
      if (following >= 0) previous[following] = at;
      const before = previous[at] ?? -1;
      if (before >= 0) offer(before);
      offer(at);
    }
    return ids.filter((id) => id !== -1);
  }
}

function splitAtSpace(merge: string): [string, string] {
  const space = merge.indexOf(" ");
  return [merge.slice(0, space), merge.slice(space + 1)];
}
