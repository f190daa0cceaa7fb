/** @file Answered questions as examples in the guidelines: a section of their own, that grows by a version each. */
import type { Tx } from "../../db/db";
import { AppError } from "../../errors";
import { addGuidelines, lockGuidelines, mostGuidelinesCharacters, readGuidelines } from "./guidelines";

export type Example = { question: string; answer: string };

const heading = "## Questions from labelers";
const changesCharacters = 200;

/**
 * Adds a version of the guidelines with one more example. Whatever is current then is kept: another lead's version of a
 * moment ago too.
 * @returns its version
 * @throws {AppError} BAD_REQUEST when the guidelines would grow beyond their limit
 */
export async function addExample(
  tx: Tx,
  { actorId, ...example }: Example & { actorId: string },
): Promise<number> {
  await lockGuidelines(tx);
  const current = await readGuidelines(tx, null);
  const text = withExample(current.text, example);
  if (text.length > mostGuidelinesCharacters) {
    const [limit, length] = [mostGuidelinesCharacters, text.length].map((n) => n.toLocaleString("en"));
    throw new AppError(
      "BAD_REQUEST",
      `With this example the guidelines have ${length} characters; they may have ${limit}. Shorten them first.`,
    );
  }
  return addGuidelines(tx, {
    text,
    changes: `An example was added: ${shorten(example.question)}`,
    basedOn: current.version,
    actorId,
  });
}

/** The example at the end of its section, which is begun at the end of the text where there is none yet. */
export function withExample(text: string, { question, answer }: Example): string {
  const added = `${quote(question)}\n\n${answer.trim()}`;
  const lines = text.trimEnd().split("\n");
  const start = lines.findIndex((line) => line.trim() === heading);
  if (start < 0) return `${text.trimEnd()}\n\n${heading}\n\n${added}\n`;
  const after = lines.findIndex((line, i) => i > start && /^##? /.test(line));
  const end = after < 0 ? lines.length : after;
  const before = lines.slice(0, end).join("\n").trimEnd();
  const rest = lines.slice(end).join("\n");
  return `${before}\n\n${added}\n${rest === "" ? "" : `\n${rest}\n`}`;
}

const quote = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => `> ${line}`.trimEnd())
    .join("\n");

function shorten(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > changesCharacters ? `${line.slice(0, changesCharacters - 1)}…` : line;
}
