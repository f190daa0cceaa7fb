/** @file Putting tasks away: skipped by one labeler, not rankable for anybody, or reported and pulled from every queue. */
import { and, eq } from "drizzle-orm";
import { prompts, rankingTasks, taskClaims, taskSkips } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { storableText } from "../message-text";
import { pullPrompt } from "../prompts/steer-prompts";
import { type Claim, givePlaceBack, lockClaim } from "./claims";
import { excludeTasks, notRankableReason } from "./exclude-tasks";
import { type Batch, readTask, type Task } from "./tasks";

export type SkipKind = (typeof taskSkips.$inferSelect)["kind"];
export type PuttingAway = { kind: SkipKind; reason: string; activeMs: number };

/** With an overlap of one there is no second opinion to wait for. */
const votesToExclude = 2;

/** @throws {AppError} NOT_FOUND when the claim is gone; CONFLICT for what a test does not let go */
export async function skipTask(
  db: Db,
  { claimId, labelerId, ...skip }: PuttingAway & { claimId: string; labelerId: string },
): Promise<{ taskId: string }> {
  return db.transaction(async (tx) => {
    const claim = await lockClaim(tx, claimId, labelerId);
    const { task, batch } = await readTask(tx, claim.taskId);
    await checkMayPutAway(tx, { task, batch, kind: skip.kind });
    await putAway(tx, claim, skip);
    if (claim.releasedAt === null) await givePlaceBack(tx, task.id, labelerId);
    if (skip.kind === "cannotBeRanked" && (batch.purpose === "work" || batch.purpose === "evaluation"))
      await excludeWhenAgreed(tx, task.id, batch.overlap);
    if (skip.kind === "report") {
      await pullPrompt(tx, task.promptId);
      await appendAudit(tx, { actorId: labelerId, action: "prompt.reported", subject: task.promptId });
    }
    return { taskId: task.id };
  });
}

/** Who could skip the hard tasks of a test would be scored by the easy ones. Sensitive text is nobody's duty to read. */
async function checkMayPutAway(
  tx: Tx,
  { task, batch, kind }: { task: Task; batch: Batch; kind: SkipKind },
): Promise<void> {
  if (batch.purpose !== "qualification" || kind === "report") return;
  const [prompt] = await tx
    .select({ isSensitive: prompts.isSensitive })
    .from(prompts)
    .where(eq(prompts.id, task.promptId));
  if (kind === "skip" && prompt?.isSensitive) return;
  throw new AppError("CONFLICT", "Every task of a test is answered. Give it the answer you think is best.");
}

/** The claim goes; the time spent and the reason stay. */
export async function putAway(tx: Tx, claim: Claim, { kind, reason, activeMs }: PuttingAway): Promise<void> {
  const values = { kind, reason: storableText(reason), activeMs: Math.max(claim.activeMs, activeMs) };
  await tx.delete(taskClaims).where(eq(taskClaims.id, claim.id));
  await tx
    .insert(taskSkips)
    .values({ taskId: claim.taskId, labelerId: claim.labelerId, ...values })
    .onConflictDoUpdate({ target: [taskSkips.taskId, taskSkips.labelerId], set: values });
}

async function excludeWhenAgreed(tx: Tx, taskId: string, overlap: number): Promise<void> {
  const votes = await tx.$count(
    taskSkips,
    and(eq(taskSkips.taskId, taskId), eq(taskSkips.kind, "cannotBeRanked")),
  );
  if (votes < Math.min(votesToExclude, overlap)) return;
  await excludeTasks(tx, eq(rankingTasks.id, taskId), notRankableReason);
}
