/** @file Documents of plain text for pretraining, from text files and JSONL. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Tokenizer } from "../tokenizer/tokenizer";
import type { Example } from "./packing";
import { type LineProblem, notUtf8, readLines } from "./read-lines";

/** A text file is cut at line ends into documents of about this many characters, so that some can be held out. */
const charactersPerDocument = 4096;

const filled = z.string().refine((text) => text.trim() !== "", "is empty");
const textSchema = z.object({ text: filled }).transform(({ text }) => text);
/** A conversation as plain text: each role on a line of its own, then what it says. */
const transcriptSchema = z
  .object({ messages: z.array(z.object({ role: filled, content: filled })).min(1) })
  .transform(({ messages }) => messages.map(({ role, content }) => `${role}\n${content}`).join("\n"));

/** Where a document of JSONL stands. */
export type DocumentPlace = { file: string; line: number };

export type Documents = {
  documents: string[];
  /** One for each document; null where it was cut out of a text file. */
  places: (DocumentPlace | null)[];
  problems: LineProblem[];
  sha256: string;
};

/**
 * Nothing is thrown for a bad line: it is left out, and what to do about it is the caller's to say.
 * @throws DataFileError when a file cannot be read
 */
export async function readDocuments(files: readonly string[]): Promise<Documents> {
  const documents: string[] = [];
  const places: Documents["places"] = [];
  const problems: LineProblem[] = [];
  const hash = createHash("sha256");
  for (const file of files) {
    const { bytes, lines } = await readLines(file);
    hash.update(bytes);
    const readable = lines.flatMap(({ line, text }) => {
      if (text === null) problems.push({ file, line, reason: notUtf8 });
      return text === null ? [] : [{ line, text }];
    });
    if (!file.endsWith(".jsonl")) {
      const cut = cutAtLineEnds(readable.map(({ text }) => text).join(""));
      documents.push(...cut);
      places.push(...cut.map(() => null));
      continue;
    }
    for (const { line, text } of readable) {
      if (text.trim() === "") continue;
      const read = readDocumentLine(text);
      if ("text" in read) {
        documents.push(read.text);
        places.push({ file, line });
      } else problems.push({ file, line, reason: read.reason });
    }
  }
  return { documents, places, problems, sha256: hash.digest("hex") };
}

/** One line of JSONL as the document it holds. */
export function readDocumentLine(line: string): { text: string } | { reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return { reason: "is not JSON" };
  }
  const isConversation = typeof json === "object" && json !== null && "messages" in json;
  const parsed = (isConversation ? transcriptSchema : textSchema).safeParse(json);
  if (parsed.success) return { text: parsed.data };
  const [issue] = parsed.error.issues;
  return { reason: `${issue?.path.join(".") || "line"}: ${issue?.message}` };
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

/** Documents in pieces of at most `length` tokens, each document with the token that ends it. */
export function textExamples(tokenizer: Tokenizer, texts: readonly string[], length: number): Example[] {
  const endOfText = tokenizer.tokenId("<|endoftext|>") ?? tokenizer.endTokenIds[0];
  return texts.flatMap((text) => {
    const tokens = tokenizer.encode(text);
    return documentExamples(endOfText === undefined ? tokens : [...tokens, endOfText], length);
  });
}
