/** @file What goes between the ranking console and the server: the task it shows, the draft it saves, the ranking it submits. */
import { z } from "zod";
import { responseFlagKeys } from "./flags";

const likert = z.int().min(1).max(7).nullable();

/** One response alone. */
export const ratingSchema = z.object({
  overall: likert.default(null),
  helpful: likert.default(null),
  honest: likert.default(null),
  harmless: likert.default(null),
  flags: z.array(z.enum(responseFlagKeys)).max(responseFlagKeys.length).default([]),
  note: z.string().max(5_000, "A note may hold 5,000 characters.").default(""),
});
export type Rating = z.infer<typeof ratingSchema>;

export const labelingModes = ["board", "guided", "pairwise"] as const;

/** Best first; responses of one tier are tied. */
const tiersSchema = z.array(z.array(z.uuid()).min(1).max(9)).max(9);

/** Everything the page needs to go on with a task on another machine. */
export const draftSchema = z.object({
  step: z.enum(["rate", "rank", "demonstrate"]),
  mode: z.enum(labelingModes),
  ratings: z.record(z.uuid(), ratingSchema).default({}),
  /** Placed so far. */
  tiers: tiersSchema.default([]),
  /** Of guided ranking: the response being inserted belongs before the tier with index `low`…`high`. */
  insertion: z
    .object({ id: z.uuid(), low: z.int().min(0).max(9), high: z.int().min(0).max(9) })
    .nullable()
    .default(null),
  noneAcceptable: z.boolean().default(false),
  demonstration: z
    .object({
      text: z.string().max(50_000),
      editedFromId: z.uuid().nullable(),
      pastedCharacters: z.int().min(0),
    })
    .nullable()
    .default(null),
});
export type Draft = z.infer<typeof draftSchema>;

/** Milliseconds in which the labeler did something, idle time excluded; of this task, in all. */
export const activeMsSchema = z
  .int()
  .min(0)
  .max(24 * 60 * 60 * 1000);

export const submissionSchema = z.object({
  claimId: z.uuid(),
  mode: z.enum(labelingModes),
  /** All responses of the task, each once. */
  tiers: tiersSchema.min(1),
  ratings: z.record(z.uuid(), ratingSchema).default({}),
  noneAcceptable: z.boolean().default(false),
  activeMs: activeMsSchema,
});
export type Submission = z.infer<typeof submissionSchema>;

/** A task as its labeler sees it: no model, no owner, nobody else's work. */
export type TaskView = {
  claimId: string;
  taskId: string;
  batch: {
    name: string;
    task: "ranking" | "pairwise" | "demonstration";
    purpose: "work" | "practice" | "qualification" | "imported" | "evaluation";
    /** Whether each response is rated alone first. */
    hasRatings: boolean;
    deadline: Date | null;
  };
  prompt: {
    messages: { role: "system" | "user" | "assistant"; content: string }[];
    isSensitive: boolean;
  };
  /** In this labeler's own order: the page letters them A, B, … */
  responses: { id: string; text: string }[];
  guidelinesVersion: number;
  draft: Draft | null;
  draftVersion: number;
  activeMs: number;
  expiresAt: Date;
  /** What a lead wrote who gave this ranking or demonstration back; what was given back is the draft. */
  returnedComment: string | null;
  /** What this labeler asked about the task, as far as it is answered. */
  answers: { id: string; question: string; answer: string }[];
  /** Of a test: how far this sitting is. */
  sitting: { answered: number; total: number } | null;
};

/** Why there is no task, and what to do about it. */
export type NoTask = {
  reason:
    | "notQualified"
    | "mustAgree"
    | "empty"
    | "dailyCap"
    | "setAside"
    | "notSitting"
    | "testPaused"
    | "testDone";
  text: string;
};

/** What practice shows after a submit. */
export type Explanation = {
  /** Response ids, best first. */
  expected: string[][];
  /** Share of the pairs in order that were put in the same order; null where all are tied. */
  agreement: number | null;
  /** Pairs in an expected order that were tied or put the other way round. */
  missed: { better: string; worse: string; was: "tied" | "turned" }[];
  /** Responses whose flags were expected otherwise. */
  flags: { id: string; expected: string[]; given: string[] }[];
  text: string;
};
