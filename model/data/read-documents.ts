/** @file Documents of plain text for pretraining, from text files and JSONL. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Example } from "./packing";
import type { LineProblem } from "./read-demonstrations";

/** A text file is cut at line ends into documents of about this many characters, so that some can be held out. */
const charactersPerDocument = 4096;

const lineSchema = z.object({ text: z.string().refine((text) => text.trim() !== "", "is empty") });

export async function readDocuments(
  files: readonly string[],
): Promise<{ documents: string[]; problems: LineProblem[]; sha256: string }> {
  const documents: string[] = [];
  const problems: LineProblem[] = [];
  const hash = createHash("sha256");
  for (const file of files) {
    const bytes = await readFile(file);
    hash.update(bytes);
    const text = bytes.toString("utf8");
    if (!file.endsWith(".jsonl")) {
      documents.push(...cutAtLineEnds(text));
      continue;
    }
    for (const [index, line] of text.split("\n").entries()) {
      if (line.trim() === "") continue;
      const read = readDocumentLine(line);
      if ("text" in read) documents.push(read.text);
      else problems.push({ file, line: index + 1, reason: read.reason });
    }
  }
  return { documents, problems, sha256: hash.digest("hex") };
}

/** One line of JSONL as the document it holds. */
export function readDocumentLine(line: string): { text: string } | { reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return { reason: "is not JSON" };
  }
  const parsed = lineSchema.safeParse(json);
  const [issue] = parsed.error?.issues ?? [];
  return parsed.success ? parsed.data : { reason: `${issue?.path.join(".") || "line"}: ${issue?.message}` };
}

function cutAtLineEnds(text: string): string[] {
  const documents: string[] = [];
  for (let start = 0; start < text.length; ) {
    const lineEnd = text.indexOf("\n", start + charactersPerDocument);
    const end = lineEnd < 0 ? text.length : lineEnd + 1;
    documents.push(text.slice(start, end));
    start = end;
  }
  return documents.filter((document) => document.trim() !== "");
}

/** A document's tokens in pieces of at most `length`; every token but a piece's first is to be predicted. */
export function documentExamples(tokens: readonly number[], length: number): Example[] {
  return Array.from({ length: Math.ceil(tokens.length / length) }, (_, i) => {
    const piece = tokens.slice(i * length, (i + 1) * length);
    return { tokens: piece, counted: piece.map(() => true) };
  }).filter((piece) => piece.tokens.length > 1);
}
