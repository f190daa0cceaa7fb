/** @file What a labeling lead says to make a batch: its task, its prompts, its policies, its people. */
import { z } from "zod";
import { doubtKinds } from "@/model/eval/reward/doubt";
import type { Sampling } from "@/model/runtime/types";
import { splits } from "../prompts/split";
import { newTestSchema } from "../qualification/test-schema";

export const batchTasks = ["ranking", "pairwise", "demonstration"] as const;
export type BatchTask = (typeof batchTasks)[number];

export const responseSources = ["policies", "prompts"] as const;
export type ResponseSource = (typeof responseSources)[number];

export const promptSources = ["conversation", "labeler", "upload", "import"] as const;

/** Responses a task: any K of 4 to 9 costs little more reading than 4 and gives up to 36 comparisons (InstructGPT). */
export const leastK = 4;
export const mostK = 9;
/** A batch larger than this is made as two. */
export const mostTasks = 50_000;

/** Which prompts; an empty list means all of its kind. */
export const promptFilterSchema = z.object({
  sources: z.array(z.enum(promptSources)).max(promptSources.length).default([]),
  splits: z.array(z.enum(splits)).max(splits.length).default([]),
  /** Also prompts that already have a task of this kind. */
  includesUsed: z.boolean().default(false),
  /** Also those blurred until opened. */
  includesSensitive: z.boolean().default(true),
});
export type PromptFilter = z.infer<typeof promptFilterSchema>;

export const promptChoiceSchema = z.discriminatedUnion("by", [
  promptFilterSchema.extend({
    by: z.literal("filter"),
    /** priority: what somebody disliked comes first, then the newest. */
    order: z.enum(["priority", "newest"]).default("priority"),
    count: z
      .int()
      .min(1)
      .max(mostTasks, `A batch may have ${mostTasks.toLocaleString("en")} tasks.`),
  }),
  z.object({ by: z.literal("ids"), promptIds: z.array(z.uuid()).min(1).max(5_000) }),
]);
export type PromptChoice = z.infer<typeof promptChoiceSchema>;

/** Tasks of another batch with their responses: for practice and tests. Those with a known answer or an expert's come first. */
const taskCopySchema = z.object({
  by: z.literal("batch"),
  batchId: z.uuid(),
  count: z.int().min(1).max(1_000),
});
const checkpointId = z.string().regex(/^[0-9a-f]{64}$/, "must be the id of a checkpoint");

/** Tasks come first whose responses this reward model tells apart least; those it has not scored yet come last. */
const doubtFirstSchema = z.object({ by: z.enum(doubtKinds), rewardModelId: checkpointId });
export type DoubtFirst = z.infer<typeof doubtFirstSchema>;

type TaskCopy = z.infer<typeof taskCopySchema>;

const share = z.number().min(0).max(0.5, "At most half of a batch.");

export const newBatchSchema = z
  .object({
    name: z.string().trim().min(1, "A name has at least one character.").max(100),
    task: z.enum(batchTasks).default("ranking"),
    /** practice: explained after each submit · qualification: the test. Both are opened once every task has a known answer. */
    purpose: z.enum(["work", "practice", "qualification"]).default("work"),
    /** Of a test. */
    test: newTestSchema.nullable().default(null),
    prompts: z.discriminatedUnion("by", [promptChoiceSchema, taskCopySchema]),
    /** policies: sampled for the batch · prompts: those that came with them, made elsewhere; no other ones are sampled. */
    responsesFrom: z.enum(responseSources).default("policies"),
    /** Ids of checkpoints that answer; responses are spread evenly over them. */
    policies: z.array(checkpointId).max(mostK).default([]),
    /** Null: 9 for rankings, 2 for pairs, 0 for demonstrations; as many as there are, where they come with the prompts. */
    k: z.int().nullable().default(null),
    temperature: z.number().min(0.1).max(2).default(1),
    maxTokens: z.int().min(1).max(8_192).default(512),
    /** Labelers a task. */
    overlap: z.int().min(1).max(100).default(1),
    /** Null: everybody who is qualified. */
    groupId: z.uuid().nullable().default(null),
    /** Null: the current one. */
    guidelinesVersion: z.int().min(1).nullable().default(null),
    priority: z.int().min(-100).max(100).default(0),
    /** Null: tasks go out in the order of their prompts. */
    doubtFirst: doubtFirstSchema.nullable().default(null),
    deadline: z.date().nullable().default(null),
    hasRatings: z.boolean().default(true),
    repeatShare: share.default(0),
    goldShare: share.default(0),
    costPerHour: z.number().min(0).max(100_000).nullable().default(null),
    /** False: it waits, sampled, until a lead has looked at it and opens it. */
    opensAtOnce: z.boolean().default(true),
  })
  .superRefine((batch, context) => {
    const add = (path: keyof typeof batch, message: string | null) =>
      message && context.addIssue({ code: "custom", path: [path], message });
    add("k", kProblem(batch));
    add("policies", policiesProblem(batch));
    add("purpose", purposeProblem(batch));
    add("doubtFirst", doubtProblem(batch));
    if (batch.purpose === "work") add("prompts", batch.prompts.by === "batch" ? copiesForWork : null);
  });
export type NewBatch = z.infer<typeof newBatchSchema>;
export type NewBatchInput = z.input<typeof newBatchSchema>;

export const defaultK: Record<BatchTask, number> = { ranking: mostK, pairwise: 2, demonstration: 0 };

/** Fewer different responses than this, and a task is excluded. */
export const leastResponses: Record<BatchTask, number> = { ranking: leastK, pairwise: 2, demonstration: 0 };

/** What a task may have where its responses came with the prompt: two can be put in order too. */
export const ownResponses: Record<Exclude<BatchTask, "demonstration">, { least: number; most: number }> = {
  ranking: { least: 2, most: mostK },
  pairwise: { least: 2, most: 2 },
};

function kProblem({ task, k: named, responsesFrom }: Pick<Parts, "task" | "responsesFrom" | "k">) {
  if (responsesFrom === "prompts") {
    return named === null ? null : "Each task has as many responses as came with its prompt: leave K out.";
  }
  const k = named ?? defaultK[task];
  if (task === "ranking")
    return k >= leastK && k <= mostK ? null : `A ranking has ${leastK} to ${mostK} responses, not ${k}.`;
  if (k === defaultK[task]) return null;
  return task === "pairwise"
    ? `A pair has 2 responses, not ${k}.`
    : "A demonstration has no responses: K is 0.";
}

type Parts = {
  task: BatchTask;
  k: number | null;
  policies: string[];
  responsesFrom: ResponseSource;
  prompts: PromptChoice | TaskCopy;
};

function policiesProblem({ task, policies, prompts, responsesFrom }: Parts): string | null {
  if (responsesFrom === "prompts") {
    if (task === "demonstration") return "A demonstration is written by a person: it has no responses.";
    if (prompts.by === "batch") return "The tasks of the other batch bring their responses.";
    return policies.length === 0 ? null : "The prompts bring their responses: leave the policies out.";
  }
  const areAsked = task !== "demonstration" && prompts.by !== "batch";
  if (areAsked) return policies.length > 0 ? null : "Choose at least one policy to sample responses from.";
  if (policies.length === 0) return null;
  return task === "demonstration"
    ? "A demonstration is written by a person: leave the policies out."
    : "The tasks bring their responses: leave the policies out.";
}

const copiesForWork = "Tasks of another batch are copied for practice and tests only: work is on new tasks.";

function purposeProblem(batch: {
  purpose: string;
  task: BatchTask;
  test: unknown;
  hasRatings: boolean;
  repeatShare: number;
  goldShare: number;
}): string | null {
  const { purpose, task } = batch;
  if (purpose !== "qualification" && batch.test) return "Only a qualification test has the settings of one.";
  if (purpose === "work") return null;
  if (task === "demonstration")
    return "Practice and tests are made of tasks with known answers: ranking or pairs.";
  if (batch.repeatShare > 0 || batch.goldShare > 0) {
    return "Repeats and hidden checks are mixed into work only: set both shares to 0.";
  }
  if (purpose === "practice") return null;
  if (!batch.test) return "A qualification test needs its settings; an empty object means the defaults.";
  return batch.hasRatings
    ? null
    : "A test measures agreement on flags: let each response be rated alone first.";
}

function doubtProblem(batch: { task: BatchTask; purpose: string; doubtFirst: unknown }): string | null {
  if (batch.doubtFirst === null) return null;
  if (batch.task === "demonstration")
    return "Demonstrations have no responses that a reward model could score.";
  return batch.purpose === "work" ? null : "Practice and tests have an order of their own: leave it out.";
}

/** How a batch's responses are sampled: the policy's own distribution, nothing cut off it; each with a seed of its own. */
export function batchSampling({
  temperature,
  maxTokens,
}: Pick<NewBatch, "temperature" | "maxTokens">): Sampling {
  return {
    temperature,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    maxTokens,
    stop: [],
    seed: null,
  };
}
