/** @file Starting and ending a live comparison of a challenger with what people talk to. */
import { and, desc, eq } from "drizzle-orm";
import { z } from "zod";
import { liveComparisons, promotionRequests } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { isUniqueViolation } from "../../db/unique-violation";
import { AppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import { appendAudit } from "../audit";
import { checkNotFrozen } from "../channels";
import {
  checkFiles,
  checkStill,
  findChannel,
  lockChannel,
  type Promoting,
  readAnswering,
} from "../promotion/promoting";
import { judgeCandidate } from "../promotion/requests";
import { closeComparison, comparisonChannel, findComparison } from "./close-comparison";

/** Two drafts are work for the reader: no more than some of the questions, a few a day, and not one after the other. */
export const newComparisonSchema = z.object({
  candidateId: z.string().min(1).max(100),
  /** Percent of questions. */
  share: z.number().min(0.1).max(100).default(5),
  perDay: z.int().min(1).max(20).default(2),
  spacing: z.int().min(1).max(100).default(5),
  reason: z.string().trim().min(1, "Say why: it is kept for good.").max(1000),
});
export type NewComparison = z.output<typeof newComparisonSchema>;

/**
 * Loads the challenger beside the live policy, then asks. No gate of a promotion: who is asked has agreed, sees both, and goes
 * on with the better one. Where another admin must approve of promotions, one must have agreed to this candidate's.
 * @returns the id of the comparison
 * @throws {AppError} NOT_FOUND, BAD_REQUEST as for a promotion; CONFLICT while frozen, where it is live, or one runs already;
 * PRECONDITION_FAILED where both do not fit into memory, or the approval lacks; UNAVAILABLE where it cannot be loaded
 */
export async function startComparison(
  promoting: Promoting,
  { candidateId, actorId, ...asked }: NewComparison & { actorId: string },
): Promise<string> {
  const { db, chat } = promoting;
  await checkNotFrozen(db);
  const { name } = await readAnswering(db, candidateId);
  const live = await findChannel(db, liveChannel);
  if (!live) throw new AppError("CONFLICT", "There is no live policy to compare with.");
  const opponentId = live.checkpointId;
  if (opponentId === candidateId) throw new AppError("CONFLICT", `${name} is live itself.`);
  if (await findComparison(db)) throw runsAlready();
  await checkApproved(promoting, { candidateId, name });
  await checkFiles(promoting, candidateId);
  await checkBothFit(promoting, candidateId);
  let id = "";
  await chat.generation.pointChannel(comparisonChannel, {
    checkpointId: candidateId,
    commit: async () => {
      id = await insertComparison(db, { candidateId, opponentId, actorId, ...asked });
    },
  });
  return id;
}

const runsAlready = () => new AppError("CONFLICT", "A live comparison runs already. End it first.");

async function insertComparison(
  db: Db,
  { actorId, ...values }: NewComparison & { opponentId: string; actorId: string },
): Promise<string> {
  return db
    .transaction(async (tx) => {
      checkStill(await lockChannel(tx, liveChannel), values.opponentId);
      await checkNotFrozen(tx);
      const [row] = await tx
        .insert(liveComparisons)
        .values({ channel: liveChannel, startedBy: actorId, ...values })
        .returning({ id: liveComparisons.id });
      if (!row) throw new Error("The comparison was not stored.");
      await appendAudit(tx, { actorId, action: "comparison.started", subject: row.id, details: values });
      return row.id;
    })
    .catch((error: unknown) => {
      if (!isUniqueViolation(error, "live_comparisons_running")) throw error;
      throw runsAlready();
    });
}

async function checkApproved(
  { db, precision }: Promoting,
  { candidateId, name }: { candidateId: string; name: string },
): Promise<void> {
  const [request] = await db
    .select()
    .from(promotionRequests)
    .where(and(eq(promotionRequests.checkpointId, candidateId), eq(promotionRequests.status, "open")))
    .orderBy(desc(promotionRequests.createdAt))
    .limit(1);
  const candidate = { checkpointId: candidateId, kind: "canary", request: request ?? null } as const;
  const { gates } = await judgeCandidate({ db, precision }, candidate);
  if (!gates.some(({ gate, outcome }) => gate === "approval" && outcome === "failed")) return;
  throw new AppError(
    "PRECONDITION_FAILED",
    `Another admin must agree before people meet ${name}: ask for its promotion or a canary, and have that approved.`,
  );
}

async function checkBothFit({ chat }: Promoting, candidateId: string): Promise<void> {
  const { fits, neededBytes, freeBytes } = await chat.generation.roomFor(candidateId);
  if (fits) return;
  const [needed, free] = [neededBytes, freeBytes].map((bytes) =>
    Math.round(bytes / 1e6).toLocaleString("en"),
  );
  throw new AppError(
    "PRECONDITION_FAILED",
    `It needs about ${needed} MB beside what is live, and ${free} MB are free: two drafts at once take both policies in memory.`,
  );
}

/** @throws {AppError} NOT_FOUND where none runs */
export async function endComparison(
  { db, chat }: Promoting,
  { actorId, reason }: { actorId: string; reason: string },
): Promise<void> {
  await chat.generation.closeChannel(comparisonChannel, () =>
    db.transaction(async (tx) => {
      // Before the row, as everything that ends one does.
      await lockChannel(tx, liveChannel);
      if (await closeComparison(tx, { actorId, reason })) return;
      throw new AppError("NOT_FOUND", "No live comparison runs.");
    }),
  );
}

/** Gives the challenger's memory back where its comparison ended by itself. */
export async function tidyComparison({ db, chat }: Promoting): Promise<void> {
  if (!chat.generation.hasChannel(comparisonChannel) || (await findComparison(db))) return;
  await chat.generation.closeChannel(comparisonChannel, async () => {
    if (await findComparison(db)) throw runsAlready();
  });
}
