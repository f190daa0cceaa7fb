/** @file What `attune score` reads: rankings of any layout, or responses to prompts that nobody has ranked. */
import type { RankedPrompt } from "./rankings/ranked-prompt";
import { describeProblem, openRankings, readRankings, UnknownLayoutError } from "./rankings/read-rankings";
import { readDemonstrations } from "./read-demonstrations";
import { DataFileError } from "./read-lines";

/** Nothing ranked: `rankings` is empty. */
export type ScorableRow = { file: string; line: number; record: RankedPrompt };

/**
 * Each file by itself: rankings (JSONL or an array, gzipped or not), or JSONL with {"prompt", "response"} or {"messages"} that
 * end with an assistant's turn.
 * @param onProblem told of every item that cannot be read; it costs no other
 * @throws DataFileError when a file cannot be read, is of no known layout, or holds nothing to score
 */
export async function readScorable(
  files: readonly string[],
  onProblem: (problem: string) => void,
): Promise<ScorableRow[]> {
  const rows: ScorableRow[] = [];
  for (const file of files) {
    const before = rows.length;
    rows.push(...(await readFile(file, onProblem)));
    if (rows.length === before) throw new DataFileError(`Data file ${file}: it holds nothing to score.`);
  }
  return rows;
}

async function readFile(file: string, onProblem: (problem: string) => void): Promise<ScorableRow[]> {
  try {
    return await readRanked(file, onProblem);
  } catch (error) {
    if (!(error instanceof UnknownLayoutError)) throw error;
    const { demonstrations, problems } = await readDemonstrations([file]);
    if (demonstrations.length === 0) throw nothingKnown(error, problems[0]);
    for (const { line, reason } of problems) onProblem(`${file}, line ${line}: ${reason}`);
    return demonstrations.map(({ line, messages }) => ({
      file,
      line,
      record: {
        prompt: messages.slice(0, -1),
        responses: [{ text: messages.at(-1)?.content ?? "" }],
        rankings: [],
      },
    }));
  }
}

async function readRanked(file: string, onProblem: (problem: string) => void): Promise<ScorableRow[]> {
  const rows: ScorableRow[] = [];
  // Said only once the layout is known: of another one every item is a problem.
  const problems: string[] = [];
  for await (const read of readRankings(await openRankings(file))) {
    if ("fault" in read) problems.push(describeProblem(read));
    else rows.push({ file, line: read.place.line, record: read.record });
  }
  problems.forEach(onProblem);
  return rows;
}

function nothingKnown(
  cause: DataFileError,
  problem: { line: number; reason: string } | undefined,
): DataFileError {
  const also = problem ? ` Read as responses to score, its line ${problem.line} ${problem.reason}.` : "";
  return new DataFileError(
    `${cause.message}${also} Give {"prompt": …, "response": …} on each line, or rankings.`,
    { cause },
  );
}
