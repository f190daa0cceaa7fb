/** @file Conversations as trees of messages, and what people said about the answers. */
import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  real,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, id, moment } from "./columns";
import { checkpoints } from "./models";
import { apiKeys, users } from "./people";

export const conversations = pgTable(
  "conversations",
  {
    id: id(),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    title: text().notNull().default(""),
    /** A title given by the person is never replaced by an automatic one. */
    titledByUser: boolean().notNull().default(false),
    systemPrompt: text().notNull().default(""),
    /** Overrides of the default sampling parameters. */
    sampling: jsonb().notNull().default({}),
    /** So many answers are written to each question, and the one that scores best is shown. */
    bestOf: smallint().notNull().default(1),
    /** Null = the account's answer holds. */
    consent: boolean(),
    /** The message at the end of the branch on screen. */
    activeLeafId: uuid().references((): AnyPgColumn => messages.id, { onDelete: "set null" }),
    source: text({ enum: ["chat", "api", "import"] })
      .notNull()
      .default("chat"),
    apiKeyId: uuid().references(() => apiKeys.id, { onDelete: "set null" }),
    pinnedAt: moment(),
    archivedAt: moment(),
    /** Deleted, still undoable; swept for good after the undo window. */
    deletedAt: moment(),
    createdAt: createdAt(),
    updatedAt: moment().notNull().defaultNow(),
  },
  (t) => [
    index("conversations_user").on(t.userId, t.updatedAt),
    // Asked for each message that is deleted, as are the other indexes on what refers to messages.
    index("conversations_active_leaf").on(t.activeLeafId),
    check("conversations_source", sql`${t.source} in ('chat', 'api', 'import')`),
    check("conversations_best_of", sql`${t.bestOf} between 1 and 8`),
  ],
);

export const messages = pgTable(
  "messages",
  {
    id: id(),
    conversationId: uuid()
      .notNull()
      .references(() => conversations.id, { onDelete: "cascade" }),
    /** Null for the first message. Children of one parent are siblings: edits and regenerations. */
    parentId: uuid().references((): AnyPgColumn => messages.id, { onDelete: "cascade" }),
    role: text({ enum: ["user", "assistant"] }).notNull(),
    content: text().notNull(),
    /**
     * queued, streaming: in the making · complete: the policy ended it · length: cut by the token limit ·
     * stopped: by the person · interrupted: the server went away · failed: see `error` ·
     * supplied: an earlier turn that an API client sent along, written by no policy of ours.
     */
    status: text({
      enum: ["queued", "streaming", "complete", "length", "stopped", "interrupted", "failed", "supplied"],
    })
      .notNull()
      .default("complete"),
    error: text(),
    checkpointId: text().references(() => checkpoints.id),
    channel: text(),
    sampling: jsonb(),
    seed: integer(),
    promptTokens: integer(),
    /** Oldest turns that did not fit the context and were not seen by the policy. */
    droppedTurns: integer().notNull().default(0),
    /** Cut from the beginning of the newest turn, where it alone did not fit the context. */
    cutCharacters: integer().notNull().default(0),
    tokenIds: integer().array(),
    logprobs: real().array(),
    /** So many answers were asked for, of which this is the best; null = one alone. */
    bestOf: smallint(),
    /** By which it is the best, and whose score that is; null where nothing could be scored, or it was stopped before. */
    score: real(),
    rewardModelId: text().references(() => checkpoints.id),
    /** It was gone on with, or made anew in its place: the time since it was asked for says nothing. */
    isResumed: boolean().notNull().default(false),
    createdAt: createdAt(),
    finishedAt: moment(),
  },
  (t) => [
    index("messages_conversation").on(t.conversationId, t.createdAt),
    index("messages_parent").on(t.parentId),
    index("messages_checkpoint").on(t.checkpointId, t.createdAt),
    index("messages_unfinished").on(t.status).where(sql`${t.status} in ('queued', 'streaming')`),
    check("messages_role", sql`${t.role} in ('user', 'assistant')`),
    check(
      "messages_status",
      sql`${t.status} in ('queued', 'streaming', 'complete', 'length', 'stopped', 'interrupted', 'failed', 'supplied')`,
    ),
    check(
      "messages_answered_by",
      sql`${t.role} = 'user' or ${t.checkpointId} is not null or ${t.status} = 'supplied'`,
    ),
    check("messages_best_of", sql`${t.bestOf} between 2 and 8`),
    check("messages_score", sql`(${t.score} is null) = (${t.rewardModelId} is null)`),
  ],
);

export const feedback = pgTable(
  "feedback",
  {
    id: id(),
    messageId: uuid()
      .notNull()
      .references(() => messages.id, { onDelete: "cascade" }),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    thumb: smallint(),
    /** Reasons such as "incorrect", "unhelpful", "unsafe"; the list is in server/domain/feedback. */
    tags: text().array().notNull().default(sql`'{}'`),
    comment: text().notNull().default(""),
    /** What it should have said. */
    correction: text().notNull().default(""),
    /** After a regenerate: this answer against the earlier one. */
    comparedToId: uuid().references(() => messages.id, { onDelete: "set null" }),
    comparison: text({ enum: ["better", "same", "worse"] }),
    createdAt: createdAt(),
    updatedAt: moment().notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex("feedback_once").on(t.messageId, t.userId),
    index("feedback_compared_to").on(t.comparedToId).where(sql`${t.comparedToId} is not null`),
    check("feedback_thumb", sql`${t.thumb} in (-1, 1)`),
    check("feedback_comparison", sql`${t.comparison} in ('better', 'same', 'worse')`),
  ],
);
