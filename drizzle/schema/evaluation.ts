/** @file Judges that are no people: which of them compare the two policies of an evaluation, and what each made of each task. */
import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  pgTable,
  primaryKey,
  real,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, id } from "./columns";
import { batches, rankingTasks, responses } from "./label";
import { checkpoints } from "./models";
import { users } from "./people";

export const evaluationJudges = pgTable(
  "evaluation_judges",
  {
    id: id(),
    batchId: uuid()
      .notNull()
      .references(() => batches.id, { onDelete: "cascade" }),
    /** rewardModel: whose score is higher · endpoint: a model elsewhere, asked in words. */
    judge: text({ enum: ["rewardModel", "endpoint"] }).notNull(),
    /** The reward model's as it was called then, or the endpoint's model. */
    judgeName: text().notNull(),
    rewardModelId: text().references(() => checkpoints.id),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("evaluation_judges_reward_model")
      .on(t.batchId, t.rewardModelId)
      .where(sql`${t.rewardModelId} is not null`),
    uniqueIndex("evaluation_judges_endpoint").on(t.batchId, t.judgeName).where(sql`${t.judge} = 'endpoint'`),
    index("evaluation_judges_by_reward_model").on(t.rewardModelId),
    check("evaluation_judges_judge", sql`${t.judge} in ('rewardModel', 'endpoint')`),
    check("evaluation_judges_model", sql`(${t.judge} = 'rewardModel') = (${t.rewardModelId} is not null)`),
  ],
);

/** One a task and judge; never a person's, whose judgments are rankings. */
export const judgments = pgTable(
  "judgments",
  {
    taskId: uuid()
      .notNull()
      .references(() => rankingTasks.id, { onDelete: "cascade" }),
    judgeId: uuid()
      .notNull()
      .references(() => evaluationJudges.id, { onDelete: "cascade" }),
    /** Null: a tie, or there is a fault. */
    preferredId: uuid().references(() => responses.id, { onDelete: "cascade" }),
    /** A tie of two that would not do. */
    bothBad: boolean().notNull().default(false),
    /** Score of the candidate's response less that of its opponent's. */
    margin: real(),
    /** Why there is no judgment: this task is not counted. */
    fault: text(),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.taskId, t.judgeId] }),
    index("judgments_judge").on(t.judgeId),
    check("judgments_both_bad", sql`not ${t.bothBad} or ${t.preferredId} is null`),
    check(
      "judgments_fault",
      sql`${t.fault} is null or (${t.preferredId} is null and ${t.margin} is null and not ${t.bothBad})`,
    ),
  ],
);
