/** @file Regression cases: conversations that every candidate answers anew, what people made of the answers; and suites that were uploaded. */
import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, id, moment } from "./columns";
import { prompts } from "./label";
import { checkpoints } from "./models";
import { users } from "./people";
import { runs } from "./runs";

/** check: rules · reference: a floor under a metric · eyes: a person reads the answer. */
export const caseKinds = ["check", "reference", "eyes"] as const;

export const regressionCases = pgTable(
  "regression_cases",
  {
    id: id(),
    /** As people call it; what is kept of a decision names cases by it alone, for a title may hold somebody's words. */
    number: integer().notNull().generatedAlwaysAsIdentity(),
    title: text().notNull(),
    why: text().notNull().default(""),
    kind: text({ enum: caseKinds }).notNull(),
    /** Without its kind; see `expectationSchema`. */
    expects: jsonb().notNull(),
    /** hand: written by an admin · suite: what a suite asked · prompt: its words are the prompt's, and go with them (trigger). */
    source: text({ enum: ["hand", "suite", "prompt"] }).notNull(),
    promptId: uuid().references(() => prompts.id, { onDelete: "cascade" }),
    /** [{role, content}], the user's turn last. Empty where they are the prompt's. */
    messages: jsonb()
      .$type<{ role: "system" | "user" | "assistant"; content: string }[]>()
      .notNull()
      .default([]),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
    /** Not rerun any more. */
    archivedAt: moment(),
    archivedBy: uuid().references(() => users.id, { onDelete: "set null" }),
  },
  (t) => [
    uniqueIndex("regression_cases_number").on(t.number),
    index("regression_cases_prompt").on(t.promptId),
    check("regression_cases_kind", sql`${t.kind} in ('check', 'reference', 'eyes')`),
    check("regression_cases_source", sql`${t.source} in ('hand', 'suite', 'prompt')`),
    check("regression_cases_prompt", sql`(${t.source} = 'prompt') = (${t.promptId} is not null)`),
    check("regression_cases_words", sql`(${t.source} = 'prompt') = (${t.messages} = '[]'::jsonb)`),
  ],
);

/** What a person made of one answer to a case of the kind eyes: of these very words, for the next run may give others. */
export const caseVerdicts = pgTable(
  "case_verdicts",
  {
    id: id(),
    caseId: uuid()
      .notNull()
      .references(() => regressionCases.id, { onDelete: "cascade" }),
    checkpointId: text()
      .notNull()
      .references(() => checkpoints.id),
    responseSha256: text().notNull(),
    isGood: boolean().notNull(),
    note: text().notNull().default(""),
    judgedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("case_verdicts_once").on(t.caseId, t.checkpointId, t.responseSha256, t.judgedBy),
    index("case_verdicts_checkpoint").on(t.checkpointId),
  ],
);

/** Folders that an admin uploaded, under data/artifacts/suites/<id>. Of one name the newest is measured. */
export const suites = pgTable(
  "suites",
  {
    /** sha256 of both files. */
    id: text().primaryKey(),
    name: text().notNull(),
    title: text().notNull(),
    metric: text().notNull(),
    itemCount: integer().notNull(),
    sizeBytes: integer().notNull(),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
  },
  (t) => [index("suites_name").on(t.name, t.createdAt), check("suites_items", sql`${t.itemCount} > 0`)],
);

/** The uploaded suites that an evaluation measures: they cannot be deleted. */
export const runSuites = pgTable(
  "run_suites",
  {
    runId: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    suiteId: text()
      .notNull()
      .references(() => suites.id),
  },
  (t) => [primaryKey({ columns: [t.runId, t.suiteId] }), index("run_suites_suite").on(t.suiteId)],
);
