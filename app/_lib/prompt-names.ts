/** @file The words for where prompts come from, what became of them, and what is masked in them. */
import type { ListedPrompt } from "@/app/_lib/api-types";

export const sourceNames: Record<ListedPrompt["source"], string> = {
  conversation: "Conversations",
  labeler: "Written by labelers",
  upload: "Uploaded",
  import: "Imported with rankings",
};

export const statusNames: Record<ListedPrompt["status"], string> = {
  ready: "ready",
  removed: "removed",
  reported: "reported",
  erased: "erased",
};

export const splitNames: Record<ListedPrompt["split"], string> = {
  train: "train",
  validation: "validation",
  test: "test",
};

type Rule = NonNullable<ListedPrompt["removedBy"]>;

export const ruleNames: Record<Rule, string> = {
  duplicate: "near-duplicate",
  ownerLimit: "more than 200 of one person",
  tooLong: "too long",
};

const maskNames: Record<string, [string, string]> = {
  email: ["e-mail address", "e-mail addresses"],
  phone: ["phone number", "phone numbers"],
  card: ["card number", "card numbers"],
  iban: ["bank account", "bank accounts"],
  ip: ["IP address", "IP addresses"],
  address: ["postal address", "postal addresses"],
};

/** "2 e-mail addresses, 1 phone number"; empty where nothing is masked. */
export function describeMasked(masked: Record<string, number>): string {
  return Object.entries(masked)
    .map(([kind, n]) => {
      const [one, many] = maskNames[kind] ?? [kind, kind];
      return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
    })
    .join(", ");
}
