/** @file Conversations as one text, "\n\nHuman: … \n\nAssistant: …", as Anthropic's HH data has them. */
import { ItemFault, type PromptTurn } from "./ranked-prompt";

const marker = /\n\n(Human|Assistant):/g;
const names = { user: "Human", assistant: "Assistant" } as const;

export function isTranscript(text: string): boolean {
  return text.includes("\n\nHuman:");
}

/** What stands before the first marker is taken as the system prompt; one space after a marker's colon is not content. */
export function readTranscript(text: string): PromptTurn[] {
  const marks = [...text.matchAll(marker)];
  const system = text.slice(0, marks[0]?.index ?? text.length);
  const turns = marks.map((mark, place): PromptTurn => {
    const end = marks[place + 1]?.index ?? text.length;
    const content = text.slice(mark.index + mark[0].length, end).replace(/^ /, "");
    return { role: mark[1] === "Human" ? "user" : "assistant", content };
  });
  return system.trim() === "" ? turns : [{ role: "system", content: system }, ...turns];
}

/** @returns the text, or a fault where a turn spells out a marker, so that reading would cut it there */
export function writeTranscript(turns: readonly PromptTurn[]): string | ItemFault {
  const pieces = turns.map(({ role, content }, place) =>
    role === "system" && place === 0
      ? content
      : `\n\n${names[role === "user" ? "user" : "assistant"]}: ${content}`,
  );
  const text = pieces.join("");
  const later = turns.slice(1).some(({ role }) => role === "system");
  const expected = turns.filter(({ role }) => role !== "system").length;
  if (!later && [...text.matchAll(marker)].length === expected) return text;
  return new ItemFault(
    "prompt",
    "cannot be told apart in a transcript: a turn contains “\\n\\nHuman:” or “\\n\\nAssistant:”, or is a later system turn",
    "Export this prompt in another layout.",
  );
}
