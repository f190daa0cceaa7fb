/** @file Text to token ids and back, from the parsed tokenizer.json of a model. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { AddedTokenSplitter } from "./added-tokens";
import { BytePairEncoder } from "./byte-pair-encoder";
import { faithfulSteps } from "./faithful-steps";
import { type ByteTable, byteTable } from "./token-bytes";
import { parseTokenizerDefinition, type TokenizerDefinition } from "./tokenizer-definition";

export type EncodeOptions = {
  /**
   * Read special tokens written in the text (`<|im_end|>`) as those tokens. Off by default: text from people is data,
   * and must not be able to end a turn. On equals transformers' `encode(text, add_special_tokens=False)`.
   */
  special?: boolean;
  /** A character that is taken out again once special tokens were found: breaks the ones that text only spells out. */
  ignore?: string;
};

export type DecodeOptions = {
  /** Keep special tokens in the text. Off by default. */
  special?: boolean;
};

export type SpecialTokens = {
  bos: string | null;
  eos: string | null;
  unk: string | null;
  pad: string | null;
};

export type TokenizerOptions = {
  /** Tokens that end an answer, from config.json and generation_config.json; the end token of `special` is added. */
  endTokenIds?: readonly number[];
  special?: Partial<SpecialTokens>;
};

export class Tokenizer {
  readonly endTokenIds: readonly number[];
  readonly special: SpecialTokens;
  readonly #steps: Pick<Library, "normalizer" | "pre_tokenizer">;
  readonly #encoder: BytePairEncoder;
  readonly #splitter: AddedTokenSplitter;
  readonly #plainSplitter: AddedTokenSplitter;
  readonly #specialSplitter: AddedTokenSplitter;
  readonly #addedIds: ReadonlyMap<string, number>;
  readonly #specialIds: ReadonlySet<number>;
  readonly #bytes: ByteTable;

  /** @throws UnsupportedTokenizerError when the definition is of a kind Attune cannot reproduce exactly. */
  constructor(definitionJson: unknown, options: TokenizerOptions = {}) {
    const definition: TokenizerDefinition = parseTokenizerDefinition(definitionJson);
    this.#steps = new Library(faithfulSteps(definition), {});
    this.#encoder = new BytePairEncoder(definition.model);
    const added = definition.added_tokens;
    this.#splitter = new AddedTokenSplitter(added);
    this.#plainSplitter = new AddedTokenSplitter(added.filter((token) => !token.special));
    this.#specialSplitter = new AddedTokenSplitter(added.filter((token) => token.special));
    this.#specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));
    this.#addedIds = new Map(added.map((token) => [token.content, token.id]));
    this.#bytes = byteTable(definition);
    this.special = { bos: null, eos: null, unk: null, pad: null, ...options.special };
    const eos = this.special.eos === null ? undefined : this.tokenId(this.special.eos);
    this.endTokenIds = [...new Set([...(options.endTokenIds ?? []), ...(eos === undefined ? [] : [eos])])];
  }

  /** One more than the highest token id. The model's own vocabulary may be padded beyond it. */
  get vocabularySize(): number {
    return this.#bytes.size;
  }

  /** Adds no begin-of-text token: chat templates write their own. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const splitter = options.special ? this.#splitter : this.#plainSplitter;
    const ids: number[] = [];
    for (const [index, section] of splitter.split(text).entries()) {
      if (typeof section === "number") {
        ids.push(section);
        continue;
      }
      const plain = options.ignore ? section.replaceAll(options.ignore, "") : section;
      if (plain !== "") for (const id of this.#encodeSection(plain, index)) ids.push(id);
    }
    return ids;
  }

  /** Bytes that are no UTF-8 become U+FFFD, as in transformers. Unknown ids are left out. */
  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    const kept = options.special ? ids : ids.filter((id) => !this.#specialIds.has(id));
    return this.#bytes.decode(kept);
  }

  /** The bytes a token stands for; empty for an unknown id. */
  tokenBytes(id: number): Uint8Array {
    return this.#bytes.bytes(id);
  }

  #encodeSection(text: string, index: number): number[] {
    const { normalizer, pre_tokenizer: preTokenizer } = this.#steps;
    const normalized = normalizer ? normalizer(text) : text;
    const words = preTokenizer ? preTokenizer(normalized, { section_index: index }) : [normalized];
    return words.flatMap((word) => this.#encoder.encode(word));
  }

  /** The text with every special token it spells out broken by `mark`, for `encode` with `ignore: mark`. */
  breakSpecialTokens(text: string, mark: string): string {
    return this.#specialSplitter.break(text, mark);
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }

  /** undefined when the vocabulary has no such token. */
  tokenId(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#encoder.tokenId(token);
  }

  /** True when a leading space of the whole text is the tokenizer's own and is taken off again by `decode`. */
  get stripsLeadingSpace(): boolean {
    return this.#bytes.stripsLeadingSpace;
  }
}
