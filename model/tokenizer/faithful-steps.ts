/**
 * @file Rewrites the steps that @huggingface/tokenizers reads differently from the Rust tokenizers into ones it reads
 * alike: its Digits knows ASCII digits alone, and its ByteLevel splits at JavaScript's white space.
 */
import type { Step, TokenizerDefinition } from "./tokenizer-definition";

/** GPT-2's pattern. Inside `Split` the library translates `\s` to Unicode's White_Space, as Oniguruma reads it. */
const byteLevelPattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const isolate = (regex: string): Step => ({
  type: "Split",
  pattern: { Regex: regex },
  behavior: "Isolated",
  invert: false,
});

/** The library normalizes and pre-tokenizes; merges, added tokens and decoding are Attune's own. */
export function faithfulSteps({ normalizer, pre_tokenizer }: TokenizerDefinition) {
  return {
    normalizer,
    pre_tokenizer: pre_tokenizer && faithfulStep(pre_tokenizer),
    model: { type: "BPE", vocab: {}, merges: [] },
    post_processor: null,
    decoder: null,
    added_tokens: [],
  };
}

function faithfulStep(step: Step): Step {
  if (step.type === "Sequence" && Array.isArray(step.pretokenizers)) {
    return { ...step, pretokenizers: step.pretokenizers.map(faithfulStep) };
  }
  if (step.type === "Digits") return isolate(step.individual_digits ? "\\p{N}" : "\\p{N}+");
  // With add_prefix_space the space must come before the split, which only ByteLevel itself can do.
  if (step.type === "ByteLevel" && step.use_regex !== false && !step.add_prefix_space) {
    return { type: "Sequence", pretokenizers: [isolate(byteLevelPattern), { ...step, use_regex: false }] };
  }
  return step;
}
