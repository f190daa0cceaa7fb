/** @file A text with the words that were searched for marked in it. */

export function HighlightedText({ text, query }: { text: string; query: string }) {
  const words = query.split(/\s+/u).filter(Boolean).map(escapeForRegExp);
  if (words.length === 0) return text;
  // Splitting by a group keeps the matches: every second part is one.
  const parts = text.split(new RegExp(`(${words.join("|")})`, "giu"));
  return parts.map((part, index) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts have no other identity and no state
    index % 2 === 1 ? <mark key={index}>{part}</mark> : part,
  );
}

function escapeForRegExp(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
