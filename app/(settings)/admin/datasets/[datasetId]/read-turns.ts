/** @file A row of a dataset as turns to read. What it does not know it shows as it stands. */

export type Turn = { who: string; text: string };

export function readTurns(content: string): Turn[] {
  const row = parse(content);
  if (row === null) return [{ who: "", text: content }];
  if (typeof row.text === "string") return [{ who: "", text: row.text }];
  const turns = Array.isArray(row.messages) ? row.messages.flatMap(toTurn) : [];
  const { prompt, response } = row;
  const opening = typeof prompt === "string" ? [{ who: "prompt", text: prompt }] : asTurns(prompt);
  const closing = typeof response === "string" ? [{ who: "response", text: response }] : [];
  const all = [...turns, ...opening, ...closing];
  return all.length > 0 ? all : [{ who: "", text: content }];
}

const asTurns = (value: unknown): Turn[] => (Array.isArray(value) ? value.flatMap(toTurn) : []);

function toTurn(message: unknown): Turn[] {
  const { role, content } = Object(message) as Record<string, unknown>;
  return typeof role === "string" && typeof content === "string" ? [{ who: role, text: content }] : [];
}

function parse(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
