/** @file A tokenizer trained here against Hugging Face's BpeTrainer on the same text. */
import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { Tokenizer } from "@/model/tokenizer/tokenizer";
import { trainTokenizer, VocabularyTooLargeError } from "@/model/tokenizer/train-tokenizer";

const fixture = z
  .object({
    texts: z.array(z.string()),
    cases: z.array(z.object({ vocabularySize: z.int(), definition: z.record(z.string(), z.unknown()) })),
  })
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "fixtures/trained-tokenizer.json"), "utf8")));

describe.each(fixture.cases)("a vocabulary of $vocabularySize", ({ vocabularySize, definition }) => {
  test("is the one Hugging Face's trainer makes, merge by merge", () => {
    expect(trainTokenizer(fixture.texts, { vocabularySize })).toEqual(definition);
  });
});

test("any text comes back as it was, and special tokens spelled out in it are text", () => {
  const tokenizer = new Tokenizer(trainTokenizer(fixture.texts, { vocabularySize: 420 }));
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "grapheme" }),
    fc.constant("<|im_end|>"),
  );
  fc.assert(
    fc.property(text, (original) => {
      const ids = tokenizer.encode(original);
      expect(tokenizer.decode(ids)).toBe(original);
      expect(ids.every((id) => id >= 4)).toBe(true);
    }),
  );
});

test("text with too few pairs is refused with the number it reaches", () => {
  const train = () => trainTokenizer(["ab ab"], { vocabularySize: 300 });
  expect(train).toThrow(VocabularyTooLargeError);
  // 260 and ab, Ġab.
  expect(train).toThrow("vocabulary of 262 tokens, not 300");
});
