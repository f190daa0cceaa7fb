/** @file The tokenizer inside a GGUF file, written as the tokenizer.json and tokenizer_config.json it came from. */
import { UnsupportedModelError } from "./errors";
import type { GgufFile } from "./gguf-file";
import { GgufMetadata } from "./gguf-metadata";

export type TokenizerFiles = { tokenizer: Record<string, unknown>; config: Record<string, unknown> };

/** llama.h, enum llama_token_attr as `tokenizer.ggml.token_type` stores it. */
const tokenType = { unknown: 2, control: 3, userDefined: 4 } as const;

const step = (type: string, settings: Record<string, unknown> = {}) => ({ type, ...settings });
const byteLevel = (useRegex: boolean) =>
  step("ByteLevel", { add_prefix_space: false, trim_offsets: true, use_regex: useRegex });
const sequence = (...pretokenizers: unknown[]) => step("Sequence", { pretokenizers });
const isolated = (regex: string) =>
  step("Split", { pattern: { Regex: regex }, behavior: "Isolated", invert: false });

const wordsAndNumbers = (numbers: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

type ByteLevelKind = { pre_tokenizer: unknown; normalizer: unknown; ignore_merges: boolean };
const kind = (preTokenizer: unknown, normalizer: unknown = null, ignoreMerges = false): ByteLevelKind => ({
  pre_tokenizer: preTokenizer,
  normalizer,
  ignore_merges: ignoreMerges,
});
const gpt2Kind = kind(byteLevel(true));
const digitsKind = kind(sequence(step("Digits", { individual_digits: true }), byteLevel(true)));
const llama3Kind = kind(sequence(isolated(wordsAndNumbers("\\p{N}{1,3}")), byteLevel(false)), null, true);
const qwen2Kind = kind(sequence(isolated(wordsAndNumbers("\\p{N}")), byteLevel(false)), step("NFC"));

/** By `tokenizer.ggml.pre`: how each model's own tokenizer.json cuts text before merging. */
const byteLevelKinds: Record<string, ByteLevelKind> = {
  "gpt-2": gpt2Kind,
  smollm: digitsKind,
  starcoder: digitsKind,
  refact: digitsKind,
  "llama-bpe": llama3Kind,
  qwen2: qwen2Kind,
};

/** @throws UnsupportedModelError when the kind of tokenizer is none that can be reproduced exactly. */
export function tokenizerFromGguf(file: GgufFile): TokenizerFiles {
  const metadata = new GgufMetadata(file);
  const model = metadata.text("tokenizer.ggml.model");
  if (model !== "gpt2" && model !== "llama") {
    throw new UnsupportedModelError(
      `tokenizer ${model}`,
      "gpt2 (byte-level BPE) and llama (SentencePiece BPE)",
    );
  }
  const definition = model === "gpt2" ? byteLevelDefinition(metadata) : sentencePieceDefinition(metadata);
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(metadata),
    ...definition,
  };
  return { tokenizer, config: tokenizerConfig(metadata) };
}

function addedTokens(metadata: GgufMetadata) {
  const tokens = metadata.texts("tokenizer.ggml.tokens");
  return metadata.numbers("tokenizer.ggml.token_type").flatMap((type, id) => {
    const isSpecial = type === tokenType.control || type === tokenType.unknown;
    const content = tokens[id];
    if (content === undefined || !(isSpecial || type === tokenType.userDefined)) return [];
    const placement = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return [{ id, content, ...placement, special: isSpecial }];
  });
}

const vocabularyOf = (tokens: readonly string[]) =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));

function byteLevelDefinition(metadata: GgufMetadata) {
  const isGpt2 = metadata.text("general.architecture") === "gpt2";
  const pre = metadata.optionalText("tokenizer.ggml.pre") ?? (isGpt2 ? "gpt-2" : "unstated");
  const found = byteLevelKinds[pre];
  if (!found) throw new UnsupportedModelError(`pre-tokenizer ${pre}`, Object.keys(byteLevelKinds).join(", "));
  return {
    normalizer: found.normalizer,
    pre_tokenizer: found.pre_tokenizer,
    post_processor: byteLevel(true),
    decoder: byteLevel(true),
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: found.ignore_merges,
      vocab: vocabularyOf(metadata.texts("tokenizer.ggml.tokens")),
      merges: metadata.texts("tokenizer.ggml.merges").map((merge) => splitMerge(merge)),
    },
  };
}

/** The first character belongs to the left part even when it is the separator itself. */
function splitMerge(merge: string): [string, string] {
  const space = merge.indexOf(" ", 1);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

function sentencePieceDefinition(metadata: GgufMetadata) {
  const tokens = metadata.texts("tokenizer.ggml.tokens");
  const unknown = tokens[metadata.optionalNumber("tokenizer.ggml.unknown_token_id") ?? 0] ?? null;
  const addsSpace = metadata.file.metadata.get("tokenizer.ggml.add_space_prefix") !== false;
  const replace = step("Replace", { pattern: { String: " " }, content: "▁" });
  const unreplace = step("Replace", { pattern: { String: "▁" }, content: " " });
  const normalizers = addsSpace ? [step("Prepend", { prepend: "▁" }), replace] : [replace];
  const strip = addsSpace ? [step("Strip", { content: " ", start: 1, stop: 0 })] : [];
  return {
    normalizer: step("Sequence", { normalizers }),
    pre_tokenizer: null,
    post_processor: beginOfText(metadata, tokens),
    decoder: step("Sequence", { decoders: [unreplace, step("ByteFallback"), step("Fuse"), ...strip] }),
    model: {
      type: "BPE",
      dropout: null,
      unk_token: unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: vocabularyOf(tokens),
      merges: mergesFromScores(tokens, metadata.numbers("tokenizer.ggml.scores")),
    },
  };
}

/**
 * SentencePiece keeps scores and no merges: every way of making a piece from two others is a merge, best score first.
 * transformers/convert_slow_tokenizer.py, generate_merges.
 */
function mergesFromScores(tokens: readonly string[], scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const rank = (token: string) => ids.get(token) ?? 0;
  return tokens
    .flatMap((token, id) => {
      const pairs = cuts(token).filter(([left, right]) => ids.has(left) && ids.has(right));
      pairs.sort((a, b) => rank(a[0]) - rank(b[0]) || rank(a[1]) - rank(b[1]));
      return pairs.map((pair) => ({ pair, score: scores[id] ?? 0 }));
    })
    .sort((a, b) => b.score - a.score)
    .map(({ pair }) => pair);
}

function cuts(token: string): [string, string][] {
  const characters = Array.from(token);
  return characters
    .slice(1)
    .map((_, i) => [characters.slice(0, i + 1).join(""), characters.slice(i + 1).join("")]);
}

function beginOfText(metadata: GgufMetadata, tokens: readonly string[]) {
  const id = metadata.optionalNumber("tokenizer.ggml.bos_token_id");
  const token = id === null ? undefined : tokens[id];
  if (token === undefined || metadata.file.metadata.get("tokenizer.ggml.add_bos_token") === false)
    return null;
  const special = { SpecialToken: { id: token, type_id: 0 } };
  const sequenceA = { Sequence: { id: "A", type_id: 0 } };
  return step("TemplateProcessing", {
    single: [special, sequenceA],
    pair: [
      special,
      sequenceA,
      { SpecialToken: { id: token, type_id: 1 } },
      { Sequence: { id: "B", type_id: 1 } },
    ],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  });
}

function tokenizerConfig(metadata: GgufMetadata): Record<string, unknown> {
  const tokens = metadata.texts("tokenizer.ggml.tokens");
  const named = (key: string) =>
    tokens[metadata.optionalNumber(`tokenizer.ggml.${key}_token_id`) ?? -1] ?? null;
  const architecture = metadata.text("general.architecture");
  return {
    // The generic class: it takes tokenizer.json as it is, where a family's own would rebuild parts of it.
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: named("bos"),
    eos_token: named("eos"),
    unk_token: named("unknown"),
    pad_token: named("padding"),
    model_max_length: metadata.optionalNumber(`${architecture}.context_length`),
    clean_up_tokenization_spaces: false,
    chat_template: metadata.optionalText("tokenizer.chat_template") ?? undefined,
  };
}
