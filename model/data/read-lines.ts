/** @file The lines of a data file with their numbers; what is no UTF-8 is told apart instead of being read as U+FFFD. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

/** A data file cannot be read at all. */
export class DataFileError extends Error {
  override readonly name = "DataFileError";
}

/** `text` is null where the bytes are no UTF-8. */
export type DataLine = { line: number; text: string | null };

/** @throws DataFileError when there is no such file */
export async function readLines(file: string): Promise<{ bytes: Buffer; lines: DataLine[] }> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const facts: Record<string, string> = { ENOENT: "there is no such file", EISDIR: "it is a folder" };
    throw new DataFileError(`Data file ${file}: ${facts[cause.code ?? ""] ?? cause.message}.`, { cause });
  });
  const lines: DataLine[] = [];
  for (let start = 0; start < bytes.length; ) {
    const lineEnd = bytes.indexOf(0x0a, start);
    const end = lineEnd < 0 ? bytes.length : lineEnd + 1;
    lines.push({ line: lines.length + 1, text: decode(bytes.subarray(start, end)) });
    start = end;
  }
  return { bytes, lines };
}

/** With its line end; a byte order mark is taken off. */
function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

export const notUtf8 = "is not UTF-8";

/** A line that was left out, and why. */
export type LineProblem = { file: string; line: number; reason: string };

/**
 * Reads every line of the files that is not empty. Nothing is thrown for a bad one: what to do about it is the caller's to say.
 * @param readLine what a line holds, or why it is none of those
 * @returns with the sha256 of all of their bytes
 * @throws DataFileError when a file cannot be read
 */
export async function readEachLine<T extends object>(
  files: readonly string[],
  readLine: (text: string) => T | { reason: string },
): Promise<{ rows: (T & DataPlace)[]; problems: LineProblem[]; sha256: string }> {
  const rows: (T & DataPlace)[] = [];
  const problems: LineProblem[] = [];
  const hash = createHash("sha256");
  for (const file of files) {
    const { bytes, lines } = await readLines(file);
    hash.update(bytes);
    for (const { line, text } of lines) {
      if (text?.trim() === "") continue;
      const read = text === null ? { reason: notUtf8 } : readLine(text);
      if ("reason" in read) problems.push({ file, line, reason: read.reason });
      else rows.push({ ...read, file, line });
    }
  }
  return { rows, problems, sha256: hash.digest("hex") };
}

export type DataPlace = { file: string; line: number };
