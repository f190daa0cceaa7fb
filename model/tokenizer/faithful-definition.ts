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

/** Added tokens, the bytes of a token and the begin-of-text token are `Tokenizer`'s own business. */
export function faithfulDefinition(definition: TokenizerDefinition) {
  return {
    ...definition,
    // No dropout while encoding: the Rust library applies it only in training.
    model: { ...definition.model, dropout: null },
    pre_tokenizer: definition.pre_tokenizer && faithfulStep(definition.pre_tokenizer),
    post_processor: null,
    decoder: null,
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
