/**
 * @file Trains a byte-level BPE tokenizer on text: the same merges and vocabulary as Hugging Face tokenizers' BpeTrainer
 * (0.23, tokenizers/src/models/bpe/trainer.rs) with the byte alphabet, its defaults, and the same pre-tokenizer.
 */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { BinaryHeap } from "./binary-heap";
import { faithfulSteps } from "./faithful-steps";
import { byteAlphabet } from "./token-bytes";
import { parseTokenizerDefinition } from "./tokenizer-definition";

/** First of the vocabulary, in this order: end of a document, begin and end of a turn, padding. */
export const chatSpecialTokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"] as const;

/** Every byte and the special tokens; less cannot spell any text. */
export const leastVocabulary = 256 + chatSpecialTokens.length;

/** The text has too few different words for the vocabulary that was asked for. */
export class VocabularyTooLargeError extends Error {
  override readonly name = "VocabularyTooLargeError";
  constructor(
    readonly asked: number,
    readonly reached: number,
  ) {
    super(
      `The text gives a vocabulary of ${reached} tokens, not ${asked}: no pair is left to merge. ` +
        `Ask for at most ${reached}, or give more text.`,
    );
  }
}

/** Digits one by one, then words with the space before them, as bytes. No space is put before the text. */
const preTokenizer = {
  type: "Sequence",
  pretokenizers: [
    { type: "Digits", individual_digits: true },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  ],
};

/**
 * @param vocabularySize tokens in all, special ones included
 * @returns what tokenizer.json holds
 * @throws VocabularyTooLargeError
 */
export function trainTokenizer(
  texts: Iterable<string>,
  { vocabularySize }: { vocabularySize: number },
): Record<string, unknown> {
  const { vocabulary, merges } = learnMerges(countWords(texts), vocabularySize);
  if (vocabulary.length < vocabularySize)
    throw new VocabularyTooLargeError(vocabularySize, vocabulary.length);
  return definitionOf(vocabulary, merges);
}

function definitionOf(vocabulary: readonly string[], merges: readonly [string, string][]) {
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: chatSpecialTokens.map((content, id) => ({ id, content, ...plain, special: true })),
    normalizer: null,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** How often each word occurs, in the letters that stand for bytes. */
function countWords(texts: Iterable<string>): Map<string, number> {
  const split = new Library(faithfulSteps(parseTokenizerDefinition(definitionOf([], []))), {}).pre_tokenizer;
  if (split === null) throw new Error("The tokenizer's library has no pre-tokenizer");
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of split(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/** A pair of tokens is one exact number. */
const half = 2 ** 26;

/** A pair that may be merged next; `count` may be out of date, `words` may not hold it any more. */
type Candidate = { pair: number; count: number; words: number[] };

/**
 * The most frequent pair becomes a token, again and again; among equals the one with the lower ids, left one first. Counts
 * are kept up to date by looking at the words a merge changes, never counted anew.
 */
function learnMerges(
  wordCounts: ReadonlyMap<string, number>,
  vocabularySize: number,
): { vocabulary: string[]; merges: [string, string][] } {
  const vocabulary: string[] = [...chatSpecialTokens, ...byteAlphabet];
  const ids = new Map(vocabulary.map((token, id) => [token, id]));
  const words = [...wordCounts.keys()].map((word) => [...word].map((letter) => ids.get(letter) ?? 0));
  const counts = [...wordCounts.values()];

  const pairCounts = new Map<number, number>();
  let changed = new Map<number, number[]>();
  const change = (pair: number, by: number, word: number) => {
    pairCounts.set(pair, (pairCounts.get(pair) ?? 0) + by * (counts[word] ?? 0));
    if (by < 0) return;
    const places = changed.get(pair);
    if (places === undefined) changed.set(pair, [word]);
    else if (places.at(-1) !== word) places.push(word);
  };
  const queue = new BinaryHeap<Candidate>(isBefore);
  const offerChanged = () => {
    for (const [pair, places] of changed) {
      const count = pairCounts.get(pair) ?? 0;
      if (count > 0) queue.push({ pair, count, words: places });
    }
    changed = new Map();
  };
  for (const [at, word] of words.entries()) {
    for (let i = 1; i < word.length; i++) change((word[i - 1] ?? 0) * half + (word[i] ?? 0), 1, at);
  }
  offerChanged();

  // Where two ways of merging spell the same token, a pair may come twice; what counts is its last place.
  const merges = new Map<number, [string, string]>();
  while (vocabulary.length < vocabularySize) {
    const top = queue.pop();
    if (top === undefined) break;
    const count = pairCounts.get(top.pair) ?? 0;
    if (count !== top.count) {
      if (count > 0) queue.push({ ...top, count });
      continue;
    }
    const [left, right] = [Math.floor(top.pair / half), top.pair % half];
    const [leftToken, rightToken] = [vocabulary[left] ?? "", vocabulary[right] ?? ""];
    const token = leftToken + rightToken;
    const id = ids.get(token) ?? vocabulary.length;
    if (id === vocabulary.length) vocabulary.push(token);
    ids.set(token, id);
    merges.delete(top.pair);
    merges.set(top.pair, [leftToken, rightToken]);
    for (const at of top.words)
      mergeInWord(words[at] ?? [], { left, right, id }, (pair, by) => change(pair, by, at));
    offerChanged();
  }
  return { vocabulary, merges: [...merges.values()] };
}

/** Changes `word` in place, from left to right, and tells which pairs came and went. */
function mergeInWord(
  word: number[],
  { left, right, id }: { left: number; right: number; id: number },
  change: (pair: number, by: 1 | -1) => void,
): void {
  let kept = 0;
  for (let at = 0; at < word.length; at++) {
    const token = word[at] ?? 0;
    if (token !== left || word[at + 1] !== right) {
      word[kept++] = token;
      continue;
    }
    const [before, after] = [word[kept - 1], word[at + 2]];
    if (kept > 0 && before !== undefined) {
      change(before * half + left, -1);
      change(before * half + id, 1);
    }
    if (after !== undefined) {
      change(right * half + after, -1);
      change(id * half + after, 1);
    }
    word[kept++] = id;
    at++;
  }
  word.length = kept;
}

/** The highest count first, then the lowest pair. */
const isBefore = (a: Candidate, b: Candidate) =>
  a.count > b.count || (a.count === b.count && a.pair < b.pair);
