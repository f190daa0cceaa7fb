/** @file Live comparisons: people who agreed get two drafts now and then, by the live policy and a challenger, and say which is better. */
import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, real, smallint, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { messages } from "./chat";
import { createdAt, id, moment } from "./columns";
import { checkpoints } from "./models";
import { users } from "./people";

export const liveComparisons = pgTable(
  "live_comparisons",
  {
    id: id(),
    /** Whose policy is compared; one comparison at a time. */
    channel: text().notNull(),
    candidateId: text()
      .notNull()
      .references(() => checkpoints.id),
    /** What is on the channel as long as it runs. */
    opponentId: text()
      .notNull()
      .references(() => checkpoints.id),
    /** Percent of the questions that may get two drafts. */
    share: real().notNull(),
    /** No person gets more in a day. */
    perDay: smallint().notNull(),
    /** No conversation gets more than one in so many questions. */
    spacing: smallint().notNull(),
    reason: text().notNull(),
    startedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
    endedAt: moment(),
    /** Null: by itself, as when another policy went live. */
    endedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    endReason: text(),
  },
  (t) => [
    uniqueIndex("live_comparisons_running").on(t.channel).where(sql`${t.endedAt} is null`),
    index("live_comparisons_candidate").on(t.candidateId),
    index("live_comparisons_opponent").on(t.opponentId),
    check("live_comparisons_share", sql`${t.share} > 0 and ${t.share} <= 100`),
    check("live_comparisons_per_day", sql`${t.perDay} >= 1`),
    check("live_comparisons_spacing", sql`${t.spacing} >= 1`),
    check("live_comparisons_ended", sql`(${t.endedAt} is null) = (${t.endReason} is null)`),
  ],
);

/** Two answers to one question; goes with either of them, and so with the conversation and the account. */
export const draftPairs = pgTable(
  "draft_pairs",
  {
    id: id(),
    comparisonId: uuid()
      .notNull()
      .references(() => liveComparisons.id),
    questionId: uuid()
      .notNull()
      .references(() => messages.id, { onDelete: "cascade" }),
    /** As they are shown. */
    firstId: uuid()
      .notNull()
      .references(() => messages.id, { onDelete: "cascade" }),
    secondId: uuid()
      .notNull()
      .references(() => messages.id, { onDelete: "cascade" }),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    /** By which the question was drawn, and the order of the two. */
    seed: integer().notNull(),
    /** Null: undecided, or passed over where `decidedAt` is set. */
    verdict: text({ enum: ["first", "second", "tie", "bothBad"] }),
    decidedAt: moment(),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("draft_pairs_question").on(t.questionId),
    uniqueIndex("draft_pairs_first").on(t.firstId),
    uniqueIndex("draft_pairs_second").on(t.secondId),
    index("draft_pairs_comparison").on(t.comparisonId),
    index("draft_pairs_user").on(t.userId, t.createdAt),
    check("draft_pairs_verdict", sql`${t.verdict} in ('first', 'second', 'tie', 'bothBad')`),
    check("draft_pairs_decided", sql`${t.verdict} is null or ${t.decidedAt} is not null`),
  ],
);
