/**
 * @file Whether what a reward model is tested with was trained on: prompts or responses that both splits hold, once case,
 * white space and punctuation are folded. A leak makes accuracy look better than it is.
 */
import { createHash } from "node:crypto";
import type { PromptTurn } from "../../data/rankings/ranked-prompt";

/** A prompt with its responses, of one split. */
export type SplitItem = { id: string; prompt: readonly PromptTurn[]; responses: readonly { text: string }[] };

export type LeakReport = {
  /** Held-out prompts whose conversation is in the training part too. */
  prompts: number;
  /** Held-out prompts of which a response is in the training part too. */
  responses: number;
  /** Held-out prompts that were looked at. */
  checked: number;
  /** Ids of some of them, prompts first. */
  examples: { heldOut: string; training: string; shared: "prompt" | "response" }[];
};

/** Shorter responses ("Yes.", "I cannot help with that.") are written for many prompts and say nothing of a leak. */
export const fewestWordsToLeak = 8;
const maxExamples = 20;

export function findLeaks(training: Iterable<SplitItem>, heldOut: readonly SplitItem[]): LeakReport {
  const index = createLeakIndex();
  for (const item of training) index.add(item);
  return index.find(heldOut);
}

export type LeakIndex = {
  /** An item of the training part. */
  add(item: SplitItem): void;
  hasPrompt(item: SplitItem): boolean;
  find(heldOut: readonly SplitItem[]): LeakReport;
};

/** The training part as hashes, so that one of any size fits in memory. */
export function createLeakIndex(): LeakIndex {
  const [prompts, responses] = [new Map<string, string>(), new Map<string, string>()];
  return {
    add(item) {
      prompts.set(promptKey(item), item.id);
      for (const key of responseKeys(item)) responses.set(key, item.id);
    },
    hasPrompt: (item) => prompts.has(promptKey(item)),
    find(heldOut) {
      const sharedPrompts = heldOut.flatMap((item) => matchOf(item, [promptKey(item)], prompts, "prompt"));
      const sharedResponses = heldOut.flatMap((item) =>
        matchOf(item, responseKeys(item), responses, "response"),
      );
      return {
        prompts: sharedPrompts.length,
        responses: sharedResponses.length,
        checked: heldOut.length,
        examples: [...sharedPrompts, ...sharedResponses].slice(0, maxExamples),
      };
    },
  };
}

function matchOf(
  { id }: SplitItem,
  keys: readonly string[],
  known: ReadonlyMap<string, string>,
  shared: "prompt" | "response",
): LeakReport["examples"] {
  const key = keys.find((each) => known.has(each));
  const training = key === undefined ? undefined : known.get(key);
  return training === undefined ? [] : [{ heldOut: id, training, shared }];
}

/** Letters and digits of any script, in lower case, one space between words; a text without any keeps its signs. */
export function normaliseText(text: string): string {
  const lower = text.normalize("NFKC").toLowerCase();
  const words = lower.replace(/[^\p{L}\p{M}\p{N}]+/gu, " ").trim();
  return words === "" ? lower.replace(/\s+/gu, " ").trim() : words;
}

/** System prompts are left out: many conversations share one, and none is told apart by it. */
export function promptKey({ prompt }: Pick<SplitItem, "prompt">): string {
  const turns = prompt.filter(({ role }) => role !== "system");
  return hashOf(turns.map(({ role, content }) => `${role}:${normaliseText(content)}`).join("\n"));
}

function responseKeys({ responses }: SplitItem): string[] {
  return responses.flatMap(({ text }) => {
    const folded = normaliseText(text);
    return folded.split(" ").length < fewestWordsToLeak ? [] : [hashOf(folded)];
  });
}

const hashOf = (text: string) => createHash("sha256").update(text).digest("base64");
