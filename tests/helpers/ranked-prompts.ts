/** @file Arbitrary ranked prompts for round trips, narrowed to what a layout can hold, and reading from text. */
import fc from "fast-check";
import type { LayoutName } from "@/model/data/rankings/layouts";
import type { PromptTurn, RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import {
  type ReadProblem,
  type ReadRankingsOptions,
  type ReadRecord,
  readRankings,
} from "@/model/data/rankings/read-rankings";

/** Line ends, quotes, brackets and characters of several bytes, which cutting a file must not trip over. */
const piece = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.constantFrom('"', "\\", "\n", "\n\n", "[{", "}]", ",", "\u2028", "🦜", "Human:", " "),
);
const anyText = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(""));
const filledText = anyText.map((text) => `${text}x`);
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const meta = fc.dictionary(fc.constantFrom("note", "seconds", "deep"), fc.jsonValue(), { minKeys: 1 });

const prompt = fc
  .record({ system: maybe(filledText), turns: fc.array(filledText, { minLength: 1, maxLength: 4 }) })
  .map(({ system, turns }): PromptTurn[] => {
    // Counted from the end, so that the last turn is a user's.
    const spoken = turns.map((content, place): PromptTurn => {
      return { role: (turns.length - 1 - place) % 2 === 0 ? "user" : "assistant", content };
    });
    return system === undefined ? spoken : [{ role: "system", content: system }, ...spoken];
  });

type Kept = { K: { min: number; max: number }; rankings: { min: number; max: number }; withMeta: boolean };

/** Without fields that are undefined, as they come back from a file. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

export function anyRankedPrompt({ K, rankings, withMeta }: Kept): fc.Arbitrary<RankedPrompt> {
  const noted = withMeta ? maybe(meta) : fc.constant(undefined);
  const response = fc.record({ text: anyText, model: maybe(name), meta: noted });
  return fc.integer(K).chain((size) => {
    const rank = fc.option(fc.integer({ min: 1, max: size }));
    const ranking = fc.record({
      ranks: fc.array(rank, { minLength: size, maxLength: size }),
      labeler: maybe(name),
      instructionVersion: maybe(name),
      noneAcceptable: maybe(fc.boolean()),
      at: maybe(
        fc
          .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
          .map((date) => date.toISOString()),
      ),
      meta: noted,
    });
    return fc
      .record({
        id: maybe(name),
        prompt,
        responses: fc.array(response, { minLength: size, maxLength: size }),
        rankings: fc.array(ranking, { minLength: rankings.min, maxLength: rankings.max }),
        meta: noted,
      })
      .map((record) => plain(record));
  });
}

/** Two responses, one strict order, the better one first: what a pair of chosen and rejected is. */
export const anyComparison = anyRankedPrompt({
  K: { min: 2, max: 2 },
  rankings: { min: 1, max: 1 },
  withMeta: false,
}).map((record): RankedPrompt => {
  const rankings = record.rankings.map(({ noneAcceptable: _, ...ranking }) => ({
    ...ranking,
    ranks: [1, 2],
  }));
  return { ...record, rankings };
});

export function isRead(read: ReadRecord | ReadProblem): read is ReadRecord {
  return "record" in read;
}

/** Reads bytes handed over in small chunks, as a network might. */
export async function readText(
  content: string | Uint8Array,
  { chunkBytes = 64 * 1024, ...options }: ReadRankingsOptions & { chunkBytes?: number } = {},
): Promise<{ records: RankedPrompt[]; problems: ReadProblem[]; layouts: LayoutName[] }> {
  const bytes = Buffer.from(content);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const source = { name: "data.jsonl", sizeBytes: bytes.length, chunks: chunks() };
  const found: (ReadRecord | ReadProblem)[] = [];
  for await (const read of readRankings(source, options)) found.push(read);
  const read = found.filter(isRead);
  return {
    records: read.map(({ record }) => record),
    problems: found.filter((each): each is ReadProblem => !isRead(each)),
    layouts: [...new Set(read.map(({ layout }) => layout))],
  };
}
