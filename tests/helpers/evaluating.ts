/** @file Evaluations whose policies say what a test wants, and labelers who judge them. */
import { guidelines, type prompts } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { findNextTask, settleTask, storeResponse } from "@/server/domain/batches/sampling-queue";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { createEvaluation, newEvaluationSchema } from "@/server/domain/evaluation/create-evaluation";
import { claimNext } from "@/server/domain/labeling/claims";
import { submitRanking } from "@/server/domain/labeling/submit";
import { addPrompts } from "./batches";
import { writeFakeCheckpoint } from "./fake-checkpoint";
import { makePerson } from "./test-context";

export async function addPolicy(db: Db, dataFolder: string, name: string): Promise<string> {
  return registerCheckpoint(db, await writeFakeCheckpoint(dataFolder, name), dataFolder);
}

/** Of held-out users. */
export const addTestPrompts = (
  db: Db,
  texts: readonly string[],
  fields: Partial<typeof prompts.$inferInsert> = {},
) => addPrompts(db, texts, { split: "test", ...fields });

type Made = { batchId: string; candidateId: string; opponentId: string };

/** One prompt for each text; not sampled yet. */
export async function makeEvaluation(
  db: Db,
  {
    dataFolder,
    texts,
    ...fields
  }: { dataFolder: string; texts: readonly string[] } & Record<string, unknown>,
): Promise<Made> {
  await db.insert(guidelines).values({ version: 1, text: "Be fair." }).onConflictDoNothing();
  const admin = await makePerson(db, { role: "admin" });
  const [candidateId, opponentId] = [
    await addPolicy(db, dataFolder, "tuned-8"),
    await addPolicy(db, dataFolder, "tuned-7"),
  ];
  await addTestPrompts(db, texts);
  const evaluation = newEvaluationSchema.parse({ name: "Side by side", candidateId, opponentId, ...fields });
  const { batchId } = await createEvaluation(db, evaluation, { actorId: admin.id, dataFolder });
  return { batchId, candidateId, opponentId };
}

/** What the background would have sampled. */
export async function answerAll(
  db: Db,
  { batchId, candidateId, opponentId }: Made,
  textOf: (prompt: string, policy: "candidate" | "opponent") => string,
): Promise<void> {
  for (let task = await findNextTask(db, none); task; task = await findNextTask(db, none)) {
    if (task.batchId !== batchId) throw new Error("Another batch waits for responses.");
    const prompt = task.messages.at(-1)?.content ?? "";
    for (const [policy, checkpointId] of [
      ["candidate", candidateId],
      ["opponent", opponentId],
    ] as const) {
      const text = textOf(prompt, policy);
      await storeResponse(db, task, { ...drawn, checkpointId, text, sampling: task.sampling });
    }
    await settleTask(db, task);
  }
}

const none = { taskIds: [], checkpointIds: [] };
const drawn = { tokenIds: [1], logprobs: [-1], seed: 1, isFinished: true };

/** left and right are what the labeler sees; the rule is told the two texts. */
export type Verdict = "left" | "right" | "tie" | "bothBad";

/** Takes every task there is for this labeler. @returns how many */
export async function judgeAll(
  db: Db,
  labelerId: string,
  judge: (left: string, right: string, prompt: string) => Verdict,
): Promise<number> {
  for (let judged = 0; ; judged++) {
    const next = await claimNext(db, { labelerId });
    if (!("task" in next)) return judged;
    const { claimId, responses, prompt } = next.task;
    const [left, right] = responses;
    if (!left || !right) throw new Error(`Task ${next.task.taskId} has ${responses.length} responses.`);
    const verdict = judge(left.text, right.text, prompt.messages.at(-1)?.content ?? "");
    const order = verdict === "right" ? [right.id, left.id] : [left.id, right.id];
    const isTie = verdict === "tie" || verdict === "bothBad";
    await submitRanking(db, {
      labelerId,
      claimId,
      mode: "pairwise",
      tiers: isTie ? [order] : order.map((id) => [id]),
      ratings: {},
      noneAcceptable: verdict === "bothBad",
      activeMs: 1_000,
    });
  }
}
