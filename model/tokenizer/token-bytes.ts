/** @file The bytes behind each token id, so that text can be streamed exactly and cut only between characters. */
import { type Step, type TokenizerDefinition, UnsupportedTokenizerError } from "./tokenizer-definition";

export type ByteTable = {
  /** One more than the highest id. */
  size: number;
  stripsLeadingSpace: boolean;
  bytes(id: number): Uint8Array;
  decode(ids: readonly number[]): string;
};

const nothing = new Uint8Array(0);

/** @throws UnsupportedTokenizerError for a decoder that is neither byte-level nor SentencePiece-like. */
export function byteTable(definition: TokenizerDefinition): ByteTable {
  const steps = flatten(definition.decoder);
  const kinds = new Set(steps.map((step) => step.type));
  const isByteLevel = kinds.has("ByteLevel");
  const isSentencePiece = kinds.has("Metaspace") || kinds.has("ByteFallback");
  if (isByteLevel === isSentencePiece) {
    throw new UnsupportedTokenizerError(`decoder ${[...kinds].join(", ")} is not known`);
  }
  const toBytes = isByteLevel ? byteLevelBytes : sentencePieceBytes;
  const contents: string[] = [];
  for (const [token, id] of Object.entries(definition.model.vocab)) contents[id] = token;
  for (const token of definition.added_tokens) contents[token.id] = token.content;

  const stripsLeadingSpace = steps.some(
    (step) =>
      (step.type === "Strip" && step.content === " " && step.start === 1) ||
      (step.type === "Metaspace" && step.prepend_scheme !== "never" && step.add_prefix_space !== false),
  );
  // Filled on use: a conversation touches a few thousand of up to 150,000 tokens.
  const known = new Map<number, Uint8Array>();
  const bytes = (id: number) => {
    const hit = known.get(id);
    if (hit) return hit;
    const content = contents[id];
    const made = content === undefined ? nothing : toBytes(content);
    known.set(id, made);
    return made;
  };
  const decode = (ids: readonly number[]) => {
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(ids.map(bytes)));
    return stripsLeadingSpace && text.startsWith(" ") ? text.slice(1) : text;
  };
  return { size: contents.length, stripsLeadingSpace, bytes, decode };
}

function flatten(step: Step): Step[] {
  if (step.type !== "Sequence") return [step];
  return Array.isArray(step.decoders) ? step.decoders.flatMap(flatten) : [];
}

/**
 * GPT-2's alphabet: printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards.
 * https://github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode
 */
const byteOfCharacter: ReadonlyMap<string, number> = (() => {
  const table = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table.set(String.fromCodePoint(isPrintable ? byte : next++), byte);
  }
  return table;
})();

/** The letters that stand for the 256 bytes, in the order of Unicode. */
export const byteAlphabet: readonly string[] = [...byteOfCharacter.keys()].toSorted((a, b) =>
  a < b ? -1 : 1,
);

function byteLevelBytes(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = byteOfCharacter.get(character);
    // A token outside the alphabet was added as plain text.
    if (byte === undefined) return Buffer.from(token, "utf8");
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function sentencePieceBytes(token: string): Uint8Array {
  const fallback = /^<0x([0-9A-F]{2})>$/.exec(token);
  if (fallback?.[1]) return Uint8Array.of(Number.parseInt(fallback[1], 16));
  return Buffer.from(token.replaceAll("▁", " "), "utf8");
}
