/** @file A prompt with several responses and people's rankings of them: what every layout is read into and written from. */
import { z } from "zod";

const json = z.record(z.string(), z.unknown());

export const messageSchema = z.object({
  role: z.enum(["system", "user", "assistant"], {
    error: ({ input }) => `unknown role ${JSON.stringify(input)}; known: system, user, assistant`,
  }),
  content: z.string(),
});

const responseSchema = z.object({
  text: z.string(),
  /** Which model or checkpoint wrote it. */
  model: z.string().optional(),
  meta: json.optional(),
});

const rankingSchema = z.object({
  /** (K) beside the responses: 1 is best, equal ranks are a tie, null was not ranked. */
  ranks: z.array(z.int().min(1).nullable()),
  /** A pseudonym, never a name or an address. */
  labeler: z.string().optional(),
  /** Of the guidelines it was made under. */
  instructionVersion: z.string().optional(),
  /** The labeler found even the best one not acceptable. */
  noneAcceptable: z.boolean().optional(),
  /** When, as ISO 8601. */
  at: z.string().optional(),
  meta: json.optional(),
});

export const rankedPromptSchema = z.object({
  id: z.string().optional(),
  /** The conversation so far; the last turn is a user's. */
  prompt: z.array(messageSchema),
  responses: z.array(responseSchema),
  rankings: z.array(rankingSchema),
  meta: json.optional(),
});

export type PromptTurn = z.infer<typeof messageSchema>;
export type RankedResponse = z.infer<typeof responseSchema>;
export type ResponseRanking = z.infer<typeof rankingSchema>;
export type RankedPrompt = z.infer<typeof rankedPromptSchema>;

/** Why an item could not be read or written: the field, what is wrong with it, what to do about it. */
export class ItemFault {
  constructor(
    readonly field: string,
    readonly reason: string,
    readonly remedy: string,
  ) {}

  toString(): string {
    return `${this.field ? `${this.field}: ` : ""}${this.reason}. ${this.remedy}`;
  }
}

/** What a record must be beyond its types. Empty responses are allowed, for a model may say nothing. */
export function faultOf({ prompt, responses, rankings }: RankedPrompt): ItemFault | null {
  const blank = prompt.findIndex(({ content }) => content.trim() === "");
  if (blank >= 0)
    return new ItemFault(`prompt.${blank}`, "is empty", "Give each turn of the prompt its text.");
  if (prompt.at(-1)?.role !== "user") {
    return new ItemFault("prompt", "does not end with a user's turn", "A response follows what a user said.");
  }
  if (responses.length < 2) {
    const count = responses.length === 1 ? "one response" : "no response";
    return new ItemFault("responses", `there is ${count}`, "A ranking needs two responses or more.");
  }
  const uneven = rankings.findIndex(({ ranks }) => ranks.length !== responses.length);
  if (uneven >= 0) {
    const reason = `${rankings[uneven]?.ranks.length} ranks for ${responses.length} responses`;
    return new ItemFault(
      `rankings.${uneven}.ranks`,
      reason,
      "Give each response its rank, or null for none.",
    );
  }
  return null;
}

/** The record under other names for its labelers: give pseudonyms to what was imported before it is stored or shown. */
export function renameLabelers(record: RankedPrompt, nameOf: (labeler: string) => string): RankedPrompt {
  const rankings = record.rankings.map((ranking) =>
    ranking.labeler === undefined ? ranking : { ...ranking, labeler: nameOf(ranking.labeler) },
  );
  return { ...record, rankings };
}

/** Any numbers, smaller is better, as dense ranks from 1; null stays. */
export function toDenseRanks(ranks: readonly (number | null)[]): (number | null)[] {
  const known = [...new Set(ranks.filter((rank) => rank !== null))].toSorted((a, b) => a - b);
  return ranks.map((rank) => (rank === null ? null : known.indexOf(rank) + 1));
}

/** Tiers of places, best first, as ranks of `size` responses; places in no tier are null. */
export function ranksOfTiers(tiers: readonly (readonly number[])[], size: number): (number | null)[] {
  const ranks = new Array<number | null>(size).fill(null);
  for (const [tier, places] of tiers.filter((each) => each.length > 0).entries()) {
    for (const place of places) ranks[place] = tier + 1;
  }
  return ranks;
}
