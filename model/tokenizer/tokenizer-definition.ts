/** @file tokenizer.json as Attune reads it: byte-pair encoding, byte-level (GPT-2 and after) or SentencePiece-like (Llama 2). */
import { z } from "zod";

export class UnsupportedTokenizerError extends Error {
  override readonly name = "UnsupportedTokenizerError";
  constructor(readonly fact: string) {
    super(
      `The tokenizer cannot be used: ${fact}. Attune reads byte-pair encodings, byte-level or with byte fallback; ` +
        "take a model of the Llama, Qwen2 or GPT-2 family.",
    );
  }
}

const maxTokenId = 10_000_000;
const isTokenId = (id: unknown): id is number =>
  Number.isInteger(id) && Number(id) >= 0 && Number(id) < maxTokenId;

const addedTokenSchema = z.looseObject({
  id: z.custom<number>(isTokenId, "not a token id"),
  content: z.string().min(1).max(4096),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  special: z.boolean().default(false),
});
export type AddedToken = z.infer<typeof addedTokenSchema>;

/** A normalizer, pre-tokenizer, post-processor or decoder: a type and settings of its own. */
const stepSchema = z.looseObject({ type: z.string() });
export type Step = z.infer<typeof stepSchema>;

// Checked in place: zod would copy every one of up to 150,000 entries.
const vocabularySchema = z.custom<Record<string, number>>(
  (value) => typeof value === "object" && value !== null && Object.values(value).every(isTokenId),
  "not a table from token to id",
);
const mergesSchema = z.custom<string[] | [string, string][]>(
  (value) => Array.isArray(value) && value.every(isMerge),
  "not a list of pairs",
);

function isMerge(merge: unknown): boolean {
  if (typeof merge === "string") return merge.indexOf(" ") > 0;
  return Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string");
}

const definitionSchema = z.looseObject({
  added_tokens: z.array(addedTokenSchema).default([]),
  normalizer: stepSchema.nullish().default(null),
  pre_tokenizer: stepSchema.nullish().default(null),
  post_processor: stepSchema.nullish().default(null),
  decoder: stepSchema,
  model: z.looseObject({
    type: z.literal("BPE"),
    vocab: vocabularySchema,
    merges: mergesSchema,
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().nullish(),
    fuse_unk: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    dropout: z.number().nullish(),
  }),
});
export type TokenizerDefinition = z.infer<typeof definitionSchema>;

/** @throws UnsupportedTokenizerError */
export function parseTokenizerDefinition(json: unknown): TokenizerDefinition {
  const result = definitionSchema.safeParse(json);
  if (result.success) return result.data;
  const facts = result.error.issues.slice(0, 5).map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new UnsupportedTokenizerError(`tokenizer.json (${facts.join("; ")})`);
}
