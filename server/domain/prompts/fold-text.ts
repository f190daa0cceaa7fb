/** @file A conversation as one text in which near-duplicates begin alike. */

export type PromptMessage = { role: "system" | "user" | "assistant"; content: string };

/**
 * Case and white space folded; the newest turn first, the system prompt last. What makes two prompts alike is the question
 * they end with: read from the front, all conversations under one long system prompt would begin alike.
 */
export function foldConversation(messages: readonly PromptMessage[]): string {
  const system = messages.filter(({ role }) => role === "system");
  const turns = messages.filter(({ role }) => role !== "system").reverse();
  return [...turns, ...system].map(({ content }) => foldText(content)).join("\n");
}

/** One line, in lower case, with single spaces. */
export function foldText(text: string): string {
  return text.normalize("NFKC").toLowerCase().replace(/\s+/gu, " ").trim();
}
