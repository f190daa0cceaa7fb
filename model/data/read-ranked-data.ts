/** @file Files of rankings in any layout, whole: what a reward model learns from. */
import { createHash } from "node:crypto";
import type { RankedPrompt } from "./rankings/ranked-prompt";
import { openRankings, readRankings } from "./rankings/read-rankings";
import type { LineProblem } from "./read-lines";

export type RankedRow = { file: string; line: number; record: RankedPrompt };

/**
 * Nothing is thrown for a bad row: what to do about it is the caller's to say.
 * @throws DataFileError when a file cannot be read, or is of no known layout
 */
export async function readRankedData(
  files: readonly string[],
  signal?: AbortSignal,
): Promise<{ rows: RankedRow[]; problems: LineProblem[]; sha256: string }> {
  const rows: RankedRow[] = [];
  const problems: LineProblem[] = [];
  const hash = createHash("sha256");
  for (const file of files) {
    const source = await openRankings(file);
    const chunks = hashed(source.chunks, (chunk) => hash.update(chunk));
    for await (const read of readRankings({ ...source, chunks }, signal ? { signal } : {})) {
      const { line } = read.place;
      if ("record" in read) rows.push({ file, line, record: read.record });
      else problems.push({ file, line, reason: String(read.fault) });
    }
  }
  return { rows, problems, sha256: hash.digest("hex") };
}

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  onChunk: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onChunk(chunk);
    yield chunk;
  }
}
