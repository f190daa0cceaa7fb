/** @file What a layout of ranked data is: how it is told from others, read and written. And help that layouts share. */
import type { z } from "zod";
import { countPairs, createRanking, pairsOf } from "../../eval/ranking";
import { ItemFault, type RankedPrompt, type RankedResponse, type ResponseRanking } from "./ranked-prompt";

/** One line of JSONL or one element of a JSON array. */
export type JsonItem = Record<string, unknown>;

export type Layout = {
  /** What people call it. */
  label: string;
  /** The fields of one item in a sentence, for whoever has to mend a file. */
  shape: string;
  container: "lines" | "array";
  /** What writing it leaves out, so that an export can say so; null where all is kept. */
  leavesOut: string | null;
  /** Whether an item looks like this layout, by the fields it has. */
  matches(item: JsonItem): boolean;
  read(item: JsonItem): Iterable<RankedPrompt | ItemFault>;
  write(record: RankedPrompt): Iterable<JsonItem | ItemFault>;
};

/** The item by its schema, or the first thing that does not fit it. */
export function parseItem<T>(schema: z.ZodType<T>, item: unknown, shape: string): T | ItemFault {
  const parsed = schema.safeParse(item);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") ?? "";
  return new ItemFault(field, lowerFirst(issue?.message ?? "is malformed"), `Expected: ${shape}`);
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/** Fields of an item beside the named ones, or undefined where there are none. */
export function restOf(item: JsonItem, known: readonly string[]): JsonItem | undefined {
  const rest = Object.entries(item).filter(([field]) => !known.includes(field));
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}

/** The object without fields that are undefined, so that a round trip gives back what was written. */
export function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

export type ResponsePair = {
  ranking: ResponseRanking;
  first: RankedResponse;
  second: RankedResponse;
  /** How much better the first one is ranked; 0 for a tie. */
  rankGap: number;
};

/** Every ranking of a record pair by pair: first its comparisons, the better response first, then its ties. */
export function responsePairs({ responses, rankings }: RankedPrompt): ResponsePair[] {
  const ids = responses.map((_, place) => String(place));
  const byId = new Map(responses.map((response, place) => [String(place), response]));
  return rankings.flatMap((ranking) => {
    const { comparisons, ties } = pairsOf(createRanking(ids, ranking.ranks));
    const pair = (a: string, b: string, rankGap: number): ResponsePair[] => {
      const [first, second] = [byId.get(a), byId.get(b)];
      return first && second ? [{ ranking, first, second, rankGap }] : [];
    };
    return [
      ...comparisons.flatMap(({ chosen, rejected, rankGap }) => pair(chosen, rejected, rankGap)),
      ...ties.flatMap(([a, b]) => pair(a, b, 0)),
    ];
  });
}

/** Over all rankings of a record. */
export function countRecordPairs({ responses, rankings }: RankedPrompt): {
  comparisons: number;
  ties: number;
} {
  const ids = responses.map((_, place) => String(place));
  const sum = { comparisons: 0, ties: 0 };
  for (const { ranks } of rankings) {
    const { comparisons, ties } = countPairs(createRanking(ids, ranks));
    sum.comparisons += comparisons;
    sum.ties += ties;
  }
  return sum;
}
