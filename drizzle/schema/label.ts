/** @file Labeling: prompts and the responses to them, batches of tasks, rankings, demonstrations, and the people who do the work. */
import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  real,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { conversations, messages } from "./chat";
import { createdAt, id, moment } from "./columns";
import { checkpoints } from "./models";
import { users } from "./people";
import { datasets } from "./runs";

/** A file of somebody else's prompts, rankings or histories, on its way in or read. */
export const imports = pgTable(
  "imports",
  {
    id: id(),
    name: text().notNull(),
    kind: text({ enum: ["prompts", "rankings", "histories"] }).notNull(),
    /** How the file is laid out: a key of the readers in model/data/rankings or server/domain/histories. */
    layout: text().notNull(),
    /** receiving: parts come in · reading: rows are made of it · finished · failed: see `reason`. */
    status: text({ enum: ["receiving", "reading", "finished", "failed"] }).notNull(),
    reason: text(),
    sizeBytes: bigint({ mode: "number" }).notNull().default(0),
    readBytes: bigint({ mode: "number" }).notNull().default(0),
    nextPart: integer().notNull().default(0),
    /** What was made of it, and what was left out: name → number. */
    counts: jsonb().$type<Record<string, number>>().notNull().default({}),
    /** The first unfit lines: {line, reason}. */
    faults: jsonb().$type<{ line: number; reason: string }[]>().notNull().default([]),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
    endedAt: moment(),
  },
  (t) => [
    check("imports_kind", sql`${t.kind} in ('prompts', 'rankings', 'histories')`),
    check("imports_status", sql`${t.status} in ('receiving', 'reading', 'finished', 'failed')`),
    check("imports_ended", sql`(${t.status} in ('finished', 'failed')) = (${t.endedAt} is not null)`),
  ],
);

/** A whole conversation prefix, system prompt included, that ends with a turn of the user. */
export const prompts = pgTable(
  "prompts",
  {
    id: id(),
    source: text({ enum: ["conversation", "labeler", "upload", "import"] }).notNull(),
    /** Of those that labelers write, as in InstructGPT: plain, few-shot, from a use case. */
    form: text({ enum: ["plain", "fewShot", "useCase"] })
      .notNull()
      .default("plain"),
    /** Of those written from one: the use case its labeler had in mind, personal data masked. Empty when erased. */
    useCase: text().notNull().default(""),
    /** [{role, content}], personal data masked. Empty when erased. */
    messages: jsonb().$type<{ role: "system" | "user" | "assistant"; content: string }[]>().notNull(),
    /** The conversation as one text, case and spaces folded: near-duplicates are neighbours in its order. */
    foldedText: text().notNull(),
    /** Whose words it holds; null where they are nobody's here. */
    ownerId: uuid().references(() => users.id, { onDelete: "set null" }),
    conversationId: uuid().references(() => conversations.id, { onDelete: "set null" }),
    /** The turn it ends with. */
    messageId: uuid().references(() => messages.id, { onDelete: "set null" }),
    importId: uuid().references(() => imports.id),
    /** What its file said of it beside its words: {id, meta}. */
    imported: jsonb(),
    /** By owner: all prompts of one person fall into one split. */
    split: text({ enum: ["train", "validation", "test"] }).notNull(),
    /**
     * ready: may be ranked while its conversation is usable (server/domain/usable-prompts) · removed: by a rule, see
     * `removedBy` · reported: pulled from every queue by a person · erased: its owner's data was deleted (trigger).
     */
    status: text({ enum: ["ready", "removed", "reported", "erased"] })
      .notNull()
      .default("ready"),
    removedBy: text({ enum: ["duplicate", "ownerLimit", "tooLong"] }),
    duplicateOfId: uuid().references((): AnyPgColumn => prompts.id, { onDelete: "set null" }),
    /** Kind of personal data → how many places were masked. */
    masked: jsonb().$type<Record<string, number>>().notNull().default({}),
    /** Blurred until opened. */
    isSensitive: boolean().notNull().default(false),
    /** Higher is ranked sooner: what somebody disliked comes first. */
    priority: smallint().notNull().default(0),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
  },
  (t) => [
    // Long texts do not fit an index entry; 400 characters tell neighbours apart well enough.
    index("prompts_neighbours").using("btree", sql`(left(${t.foldedText}, 400)) collate "C"`),
    index("prompts_owner").on(t.ownerId),
    index("prompts_conversation").on(t.conversationId).where(sql`${t.conversationId} is not null`),
    index("prompts_queue").on(t.status, t.priority, t.createdAt),
    uniqueIndex("prompts_once").on(t.messageId).where(sql`${t.messageId} is not null`),
    check("prompts_source", sql`${t.source} in ('conversation', 'labeler', 'upload', 'import')`),
    check("prompts_form", sql`${t.form} in ('plain', 'fewShot', 'useCase')`),
    check("prompts_split", sql`${t.split} in ('train', 'validation', 'test')`),
    check("prompts_status", sql`${t.status} in ('ready', 'removed', 'reported', 'erased')`),
    check("prompts_removed_by", sql`${t.removedBy} in ('duplicate', 'ownerLimit', 'tooLong')`),
    check("prompts_removed", sql`(${t.status} = 'removed') <= (${t.removedBy} is not null)`),
    check("prompts_erased", sql`${t.status} <> 'erased' or (${t.ownerId} is null and ${t.foldedText} = '')`),
  ],
);

export const responses = pgTable(
  "responses",
  {
    id: id(),
    promptId: uuid()
      .notNull()
      .references(() => prompts.id, { onDelete: "cascade" }),
    /** sampled: in the background, for labelers · conversation: what somebody was answered · imported. */
    source: text({ enum: ["sampled", "conversation", "imported"] }).notNull(),
    text: text().notNull(),
    checkpointId: text().references(() => checkpoints.id),
    /** Of imported ones: the name of who or what wrote it, and what its file said beside. */
    author: text(),
    imported: jsonb(),
    messageId: uuid().references(() => messages.id, { onDelete: "set null" }),
    sampling: jsonb(),
    seed: integer(),
    tokenIds: integer().array(),
    logprobs: real().array(),
    /** Whether the policy ended it, or the token limit. */
    isFinished: boolean().notNull().default(true),
    createdAt: createdAt(),
  },
  (t) => [
    index("responses_prompt").on(t.promptId),
    index("responses_message").on(t.messageId).where(sql`${t.messageId} is not null`),
    check("responses_source", sql`${t.source} in ('sampled', 'conversation', 'imported')`),
    check("responses_checkpoint", sql`${t.source} = 'imported' or ${t.checkpointId} is not null`),
  ],
);

/** The instructions to labelers. A version never changes; a new text is a new version. */
export const guidelines = pgTable("guidelines", {
  version: integer().primaryKey(),
  text: text().notNull(),
  /** What changed, for those who know the version before. */
  changes: text().notNull().default(""),
  createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
  createdAt: createdAt(),
});

export const labelerGroups = pgTable("labeler_groups", {
  id: id(),
  name: text().notNull().unique(),
  /** Its work never reaches a training set: it judges evaluations. */
  isHeldOut: boolean().notNull().default(false),
  createdAt: createdAt(),
});

/** What labeling knows of a person who labels. */
export const labelers = pgTable(
  "labelers",
  {
    userId: uuid()
      .primaryKey()
      .references(() => users.id, { onDelete: "cascade" }),
    /** Names them in exports. Says nothing of who they are. */
    pseudonym: text().notNull().unique(),
    groupId: uuid().references(() => labelerGroups.id, { onDelete: "set null" }),
    /** When the engagement agreement was accepted, and which version of it. */
    agreedAt: moment(),
    agreementVersion: integer(),
    /** Since when tasks are given out; null = not (or no longer) qualified. */
    qualifiedAt: moment(),
    /** Work done so far is left out of snapshots and figures; reversible. */
    setAsideAt: moment(),
    setAsideReason: text(),
    /** A lead asked to sit the test again, and why: until it is passed, no work. */
    requalifyAskedAt: moment(),
    requalifyReason: text(),
    seesSensitive: boolean().notNull().default(true),
    mode: text({ enum: ["board", "guided"] })
      .notNull()
      .default("board"),
    /** Tasks a day; null = no limit of their own. */
    dailyCap: smallint(),
    createdAt: createdAt(),
  },
  (t) => [
    check("labelers_mode", sql`${t.mode} in ('board', 'guided')`),
    check("labelers_set_aside", sql`(${t.setAsideAt} is null) = (${t.setAsideReason} is null)`),
    check(
      "labelers_requalify",
      sql`(${t.requalifyAskedAt} is null) = (${t.requalifyReason} is null) and (${t.requalifyAskedAt} is null or ${t.qualifiedAt} is null)`,
    ),
  ],
);

/** Tasks that belong together: what is asked, of whom, about which policies' responses. */
export const batches = pgTable(
  "batches",
  {
    id: id(),
    name: text().notNull(),
    task: text({ enum: ["ranking", "pairwise", "demonstration"] }).notNull(),
    /**
     * work · practice: explained after each submit · qualification: the test · imported: rankings made elsewhere ·
     * evaluation: two policies side by side, which nothing is ever trained on. `policies` are the candidate and its opponent.
     */
    purpose: text({ enum: ["work", "practice", "qualification", "imported", "evaluation"] })
      .notNull()
      .default("work"),
    status: text({ enum: ["preparing", "open", "paused", "closed"] }).notNull(),
    /** Responses a task. */
    k: smallint().notNull(),
    /** Labelers a task. */
    overlap: smallint().notNull().default(1),
    /** Null: everybody who is qualified. */
    groupId: uuid().references(() => labelerGroups.id),
    guidelinesVersion: integer()
      .notNull()
      .references(() => guidelines.version),
    /** Whether each response is rated alone before they are ranked. */
    hasRatings: boolean().notNull().default(true),
    /** Checkpoints to sample from, evenly. */
    policies: text().array().notNull().default(sql`'{}'`),
    sampling: jsonb().notNull().default({}),
    /** Higher goes first. */
    priority: smallint().notNull().default(0),
    /**
     * Which tasks go first: those whose responses this reward model can tell apart least, by the deviation of its members or
     * by its margins. Null: in the plain order.
     */
    doubtBy: text({ enum: ["deviation", "margin"] }),
    doubtModelId: text().references(() => checkpoints.id),
    deadline: moment(),
    /** Share of tasks that come back to the same labeler weeks later, to measure agreement with oneself. */
    repeatShare: real().notNull().default(0),
    /** Share of tasks with a known answer, mixed in unseen. */
    goldShare: real().notNull().default(0),
    /** What an hour of labeling costs, in any currency; null = not told. */
    costPerHour: real(),
    importId: uuid().references(() => imports.id),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
    closedAt: moment(),
  },
  (t) => [
    index("batches_queue").on(t.priority, t.createdAt).where(sql`${t.status} = 'open'`),
    check("batches_task", sql`${t.task} in ('ranking', 'pairwise', 'demonstration')`),
    check(
      "batches_purpose",
      sql`${t.purpose} in ('work', 'practice', 'qualification', 'imported', 'evaluation')`,
    ),
    check(
      "batches_evaluation",
      sql`${t.purpose} <> 'evaluation'
        or (${t.task} = 'pairwise' and cardinality(${t.policies}) = 2 and ${t.policies}[1] <> ${t.policies}[2])`,
    ),
    index("batches_evaluated").on(t.createdAt).where(sql`${t.purpose} = 'evaluation'`),
    check("batches_status", sql`${t.status} in ('preparing', 'open', 'paused', 'closed')`),
    check(
      "batches_k",
      sql`case when ${t.purpose} = 'imported' then ${t.k} >= 0
        when ${t.task} = 'demonstration' then ${t.k} = 0
        when ${t.task} = 'pairwise' then ${t.k} = 2
        else ${t.k} between 4 and 9 end`,
    ),
    check("batches_doubt_by", sql`${t.doubtBy} in ('deviation', 'margin')`),
    check("batches_doubt", sql`(${t.doubtBy} is null) = (${t.doubtModelId} is null)`),
    check("batches_overlap", sql`${t.overlap} between 1 and 100`),
    check("batches_shares", sql`${t.repeatShare} between 0 and 1 and ${t.goldShare} between 0 and 1`),
  ],
);

export const rankingTasks = pgTable(
  "ranking_tasks",
  {
    id: id(),
    batchId: uuid()
      .notNull()
      .references(() => batches.id),
    promptId: uuid()
      .notNull()
      .references(() => prompts.id, { onDelete: "cascade" }),
    /** sampling: waits for responses · open · done: has its overlap · excluded: cannot be ranked, reported or withdrawn. */
    status: text({ enum: ["sampling", "open", "done", "excluded"] }).notNull(),
    /** Why it is excluded, for leads. */
    excludedReason: text(),
    /** Places left: overlap less rankings less claims that hold one. Kept by every transaction that changes one of these. */
    openPlaces: smallint().notNull(),
    /** Order within the batch: lower first. */
    position: integer().notNull(),
    /** How little the batch's reward model can tell the responses apart: higher goes before any position. Null: not scored. */
    doubt: real(),
    /** A known answer is with the responses; `explanation` says why, after practice. */
    isGold: boolean().notNull().default(false),
    explanation: text().notNull().default(""),
    /** The task it repeats, for `onlyFor`, from `notBefore` on. */
    repeatOfId: uuid().references((): AnyPgColumn => rankingTasks.id, { onDelete: "cascade" }),
    onlyForId: uuid().references(() => users.id, { onDelete: "cascade" }),
    notBefore: moment(),
    createdAt: createdAt(),
  },
  (t) => [
    index("ranking_tasks_queue")
      .on(t.batchId, t.doubt.desc().nullsLast(), t.position)
      .where(sql`${t.status} = 'open' and ${t.openPlaces} > 0 and ${t.onlyForId} is null`),
    index("ranking_tasks_repeats").on(t.onlyForId, t.notBefore).where(sql`${t.onlyForId} is not null`),
    index("ranking_tasks_sampling").on(t.batchId, t.position).where(sql`${t.status} = 'sampling'`),
    index("ranking_tasks_prompt").on(t.promptId),
    check("ranking_tasks_status", sql`${t.status} in ('sampling', 'open', 'done', 'excluded')`),
    check("ranking_tasks_excluded", sql`(${t.status} = 'excluded') = (${t.excludedReason} is not null)`),
    check("ranking_tasks_open_places", sql`${t.openPlaces} >= 0`),
    check("ranking_tasks_repeat", sql`(${t.repeatOfId} is null) = (${t.onlyForId} is null)`),
  ],
);

export const taskResponses = pgTable(
  "task_responses",
  {
    taskId: uuid()
      .notNull()
      .references(() => rankingTasks.id, { onDelete: "cascade" }),
    responseId: uuid()
      .notNull()
      .references(() => responses.id, { onDelete: "cascade" }),
    /** From 0, as it was made; each labeler sees an order of their own. */
    position: smallint().notNull(),
    /** Of gold tasks: 1 is best, equal is a tie. */
    goldRank: smallint(),
    goldFlags: text().array(),
  },
  (t) => [
    primaryKey({ columns: [t.taskId, t.responseId] }),
    index("task_responses_response").on(t.responseId),
    check("task_responses_gold_rank", sql`${t.goldRank} >= 1`),
  ],
);

/** Who works on a task, with the draft. A claim that expires loses its place in the task, never its draft. */
export const taskClaims = pgTable(
  "task_claims",
  {
    id: id(),
    taskId: uuid()
      .notNull()
      .references(() => rankingTasks.id, { onDelete: "cascade" }),
    labelerId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    /** The order in which this labeler sees the responses. */
    responseOrder: uuid().array().notNull(),
    /** What the page has so far; its shape is the page's draft schema. */
    draft: jsonb(),
    /** Counts saves: a save from a page that has not seen the newest draft is refused. */
    draftVersion: integer().notNull().default(0),
    activeMs: integer().notNull().default(0),
    claimedAt: moment().notNull().defaultNow(),
    expiresAt: moment().notNull(),
    /** Expired: holds no place. */
    releasedAt: moment(),
  },
  (t) => [
    uniqueIndex("task_claims_once").on(t.taskId, t.labelerId),
    index("task_claims_labeler").on(t.labelerId, t.claimedAt),
    index("task_claims_expiry").on(t.expiresAt).where(sql`${t.releasedAt} is null`),
    check("task_claims_active", sql`${t.activeMs} >= 0`),
  ],
);

/** Tasks a labeler has put away: they do not come to them again. */
export const taskSkips = pgTable(
  "task_skips",
  {
    taskId: uuid()
      .notNull()
      .references(() => rankingTasks.id, { onDelete: "cascade" }),
    labelerId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    /** skip: not for me · cannotBeRanked: for nobody · report: harmful or personal, pulled from every queue. */
    kind: text({ enum: ["skip", "cannotBeRanked", "report"] }).notNull(),
    reason: text().notNull(),
    activeMs: integer().notNull().default(0),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.taskId, t.labelerId] }),
    index("task_skips_labeler").on(t.labelerId, t.createdAt),
    check("task_skips_kind", sql`${t.kind} in ('skip', 'cannotBeRanked', 'report')`),
  ],
);

export const rankings = pgTable(
  "rankings",
  {
    id: id(),
    taskId: uuid()
      .notNull()
      .references(() => rankingTasks.id, { onDelete: "cascade" }),
    /** labeler · adjudication: an expert's own ranking of a disputed task · imported. */
    kind: text({ enum: ["labeler", "adjudication", "imported"] })
      .notNull()
      .default("labeler"),
    /** Null: made elsewhere, or by an account since deleted. */
    labelerId: uuid().references(() => users.id, { onDelete: "set null" }),
    /** As exports name its maker; of imported ones as the file named them. */
    pseudonym: text().notNull(),
    /** From 1. A redo is a new version; only the newest is current. */
    version: smallint().notNull().default(1),
    isCurrent: boolean().notNull().default(true),
    /** submitted · returned: by a lead, to be done again. */
    status: text({ enum: ["submitted", "returned"] })
      .notNull()
      .default("submitted"),
    returnedComment: text(),
    returnedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    mode: text({ enum: ["board", "guided", "pairwise", "imported"] }).notNull(),
    /** No response would do; their order counts all the same. */
    noneAcceptable: boolean().notNull().default(false),
    responseOrder: uuid().array().notNull(),
    guidelinesVersion: integer().references(() => guidelines.version),
    /** Of imported ones: the instructions as the file named them, and what it said beside. */
    importedInstructions: text(),
    imported: jsonb(),
    groupId: uuid().references(() => labelerGroups.id),
    startedAt: moment(),
    activeMs: integer().notNull().default(0),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("rankings_version")
      .on(t.taskId, t.labelerId, t.kind, t.version)
      .where(sql`${t.labelerId} is not null`),
    uniqueIndex("rankings_current")
      .on(t.taskId, t.labelerId, t.kind)
      .where(sql`${t.isCurrent} and ${t.labelerId} is not null`),
    index("rankings_task").on(t.taskId),
    index("rankings_labeler").on(t.labelerId, t.createdAt),
    check("rankings_kind", sql`${t.kind} in ('labeler', 'adjudication', 'imported')`),
    check("rankings_status", sql`${t.status} in ('submitted', 'returned')`),
    check("rankings_mode", sql`${t.mode} in ('board', 'guided', 'pairwise', 'imported')`),
    check("rankings_guidelines", sql`${t.kind} = 'imported' or ${t.guidelinesVersion} is not null`),
  ],
);

/** One response within a ranking: its place, and what was said of it alone. */
export const rankedResponses = pgTable(
  "ranked_responses",
  {
    rankingId: uuid()
      .notNull()
      .references(() => rankings.id, { onDelete: "cascade" }),
    responseId: uuid()
      .notNull()
      .references(() => responses.id, { onDelete: "cascade" }),
    /** 1 is best; equal is a tie; dense. */
    rank: smallint().notNull(),
    overall: smallint(),
    helpful: smallint(),
    honest: smallint(),
    harmless: smallint(),
    /** Keys of `responseFlags` in server/domain/labeling/flags. */
    flags: text().array().notNull().default(sql`'{}'`),
    note: text().notNull().default(""),
  },
  (t) => [
    primaryKey({ columns: [t.rankingId, t.responseId] }),
    index("ranked_responses_response").on(t.responseId),
    check("ranked_responses_rank", sql`${t.rank} >= 1`),
    check("ranked_responses_overall", sql`${t.overall} between 1 and 7`),
    check("ranked_responses_helpful", sql`${t.helpful} between 1 and 7`),
    check("ranked_responses_honest", sql`${t.honest} between 1 and 7`),
    check("ranked_responses_harmless", sql`${t.harmless} between 1 and 7`),
  ],
);

/** What the reward model in use made of a ranking, before anything could be trained on it. */
export const rankingScores = pgTable(
  "ranking_scores",
  {
    rankingId: uuid()
      .primaryKey()
      .references(() => rankings.id, { onDelete: "cascade" }),
    rewardModelId: text()
      .notNull()
      .references(() => checkpoints.id),
    /** Untied pairs, and those that it orders as the labeler did; equal scores count half. */
    pairs: smallint().notNull(),
    agreed: real().notNull(),
    /** The same by checkpoint that wrote both responses of a pair; null: two different ones, or nobody knows. */
    byPolicy: jsonb().$type<{ policy: string | null; pairs: number; agreed: number }[]>().notNull(),
    /** The reward model learned from other rankings of this prompt, so that this one says nothing about it. */
    wasSeen: boolean().notNull(),
    /** Why there are no scores: this ranking cannot be scored. */
    fault: text(),
    createdAt: createdAt(),
  },
  (t) => [
    index("ranking_scores_reward_model").on(t.rewardModelId, t.createdAt),
    check("ranking_scores_agreed", sql`${t.agreed} between 0 and ${t.pairs}`),
    check("ranking_scores_fault", sql`${t.fault} is null or ${t.pairs} = 0`),
  ],
);

/** The ideal answer, written by a person. */
export const demonstrations = pgTable(
  "demonstrations",
  {
    id: id(),
    promptId: uuid()
      .notNull()
      .references(() => prompts.id, { onDelete: "cascade" }),
    taskId: uuid().references(() => rankingTasks.id, { onDelete: "set null" }),
    labelerId: uuid().references(() => users.id, { onDelete: "set null" }),
    pseudonym: text().notNull(),
    /** Empty when erased: with its prompt, or with its labeler's account (trigger). */
    text: text().notNull(),
    /** The response it was made from by editing. */
    editedFromId: uuid().references(() => responses.id, { onDelete: "set null" }),
    version: smallint().notNull().default(1),
    isCurrent: boolean().notNull().default(true),
    /** submitted: waits for a review · accepted: reviewed and rated · returned: never taken into a dataset. */
    status: text({ enum: ["submitted", "accepted", "returned"] })
      .notNull()
      .default("submitted"),
    /** 1-7, by whoever reviewed it. */
    rating: smallint(),
    reviewComment: text(),
    reviewedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    reviewedAt: moment(),
    /** Characters that were pasted rather than typed. */
    pastedCharacters: integer().notNull().default(0),
    guidelinesVersion: integer()
      .notNull()
      .references(() => guidelines.version),
    groupId: uuid().references(() => labelerGroups.id),
    activeMs: integer().notNull().default(0),
    createdAt: createdAt(),
  },
  (t) => [
    index("demonstrations_prompt").on(t.promptId),
    index("demonstrations_labeler").on(t.labelerId, t.createdAt),
    index("demonstrations_waiting").on(t.createdAt).where(sql`${t.isCurrent} and ${t.status} = 'submitted'`),
    uniqueIndex("demonstrations_current")
      .on(t.promptId, t.labelerId)
      .where(sql`${t.isCurrent} and ${t.labelerId} is not null`),
    check("demonstrations_status", sql`${t.status} in ('submitted', 'accepted', 'returned')`),
    check("demonstrations_rating", sql`${t.rating} between 1 and 7`),
  ],
);

/** Rankings and demonstrations that a snapshot has taken: these are not reopened. */
export const snapshotRankings = pgTable(
  "snapshot_rankings",
  {
    datasetId: uuid()
      .notNull()
      .references(() => datasets.id, { onDelete: "cascade" }),
    rankingId: uuid()
      .notNull()
      .references(() => rankings.id, { onDelete: "cascade" }),
  },
  (t) => [
    primaryKey({ columns: [t.datasetId, t.rankingId] }),
    index("snapshot_rankings_ranking").on(t.rankingId),
  ],
);

export const snapshotDemonstrations = pgTable(
  "snapshot_demonstrations",
  {
    datasetId: uuid()
      .notNull()
      .references(() => datasets.id, { onDelete: "cascade" }),
    demonstrationId: uuid()
      .notNull()
      .references(() => demonstrations.id, { onDelete: "cascade" }),
    /** The row that holds it: erasing the demonstration erases that row. Null where it is not known (old snapshots). */
    position: integer(),
  },
  (t) => [
    primaryKey({ columns: [t.datasetId, t.demonstrationId] }),
    index("snapshot_demonstrations_demonstration").on(t.demonstrationId),
  ],
);

/** A labeler's question about a task, and what a lead answered. */
export const taskQuestions = pgTable(
  "task_questions",
  {
    id: id(),
    taskId: uuid()
      .notNull()
      .references(() => rankingTasks.id, { onDelete: "cascade" }),
    askedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    /** Empty when its labeler's account was deleted (trigger). */
    question: text().notNull(),
    answer: text(),
    answeredBy: uuid().references(() => users.id, { onDelete: "set null" }),
    answeredAt: moment(),
    /** When its labeler saw the answer; null = not yet. */
    readAt: moment(),
    /** The guidelines that took it as an example. */
    exampleInVersion: integer().references(() => guidelines.version),
    createdAt: createdAt(),
  },
  (t) => [
    index("task_questions_open").on(t.createdAt).where(sql`${t.answer} is null`),
    index("task_questions_asked_by").on(t.askedBy),
  ],
);

/** What a batch for qualification asks beside its rankings, and what passes: soft cut-offs, those of InstructGPT by default. */
export const qualificationTests = pgTable(
  "qualification_tests",
  {
    /** Its rankings, each with a known answer. */
    batchId: uuid()
      .primaryKey()
      .references(() => batches.id),
    /** Its demonstrations, rated 1-7 by a lead; null = none are asked for. */
    demonstrationBatchId: uuid().references(() => batches.id),
    /** Areas of competence that labelers are asked about. */
    areas: text().array().notNull().default(sql`'{}'`),
    /** Shares of 1, and a mean rating. */
    flagCutoff: real().notNull().default(0.75),
    rankingCutoff: real().notNull().default(0.75),
    ratingCutoff: real().notNull().default(6),
    /** After failing, one may sit again so many days later, and so often in all; null = without limit. */
    retakeAfterDays: smallint().notNull().default(7),
    mostSittings: smallint().default(3),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("qualification_tests_demonstrations").on(t.demonstrationBatchId),
    check(
      "qualification_tests_shares",
      sql`${t.flagCutoff} between 0 and 1 and ${t.rankingCutoff} between 0 and 1`,
    ),
    check("qualification_tests_rating", sql`${t.ratingCutoff} between 1 and 7`),
    check("qualification_tests_retakes", sql`${t.retakeAfterDays} >= 0 and ${t.mostSittings} >= 1`),
  ],
);

/** One sitting of the qualification test: the tasks of one batch, scored by the four criteria of InstructGPT. */
export const qualifications = pgTable(
  "qualifications",
  {
    id: id(),
    labelerId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    batchId: uuid()
      .notNull()
      .references(() => batches.id),
    /** Areas the labeler says they are at home in. */
    areas: text().array().notNull().default(sql`'{}'`),
    /** sitting · reviewing: demonstrations wait for a rating · passed · failed. */
    status: text({ enum: ["sitting", "reviewing", "passed", "failed"] }).notNull(),
    /** Shares of 1 for flags and rankings, mean rating 1-7 for demonstrations; null = not known yet. */
    flagAgreement: real(),
    rankingAgreement: real(),
    demonstrationRating: real(),
    /** By which it was decided, whatever the test asks since; null = not decided yet, or before they were kept. */
    cutoffs: jsonb().$type<{
      flagCutoff: number;
      rankingCutoff: number;
      ratingCutoff: number;
      asksDemonstrations: boolean;
    }>(),
    /** What the figures are shares and means of. */
    flagDecisions: integer(),
    rankingPairs: integer(),
    ratedDemonstrations: integer(),
    /** A lead who decided otherwise than the cut-offs, and why. */
    decidedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    decisionReason: text(),
    startedAt: moment().notNull().defaultNow(),
    /** When the labeler handed it in. */
    submittedAt: moment(),
    /** When it was passed or failed. */
    endedAt: moment(),
  },
  (t) => [
    index("qualifications_labeler").on(t.labelerId, t.startedAt),
    uniqueIndex("qualifications_sitting").on(t.labelerId).where(sql`${t.status} in ('sitting', 'reviewing')`),
    check("qualifications_status", sql`${t.status} in ('sitting', 'reviewing', 'passed', 'failed')`),
    check("qualifications_ended", sql`(${t.status} in ('passed', 'failed')) = (${t.endedAt} is not null)`),
  ],
);
