/** @file Back to a policy that was live before: no gate, no second person; the reason may follow. */
import { and, desc, eq, ne } from "drizzle-orm";
import { checkpoints, promotionNotes, promotions } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import { appendAudit } from "../audit";
import { recordChannel } from "../channels";
import { notify } from "../notifications";
import {
  type ChannelRow,
  checkFiles,
  checkStill,
  findChannel,
  lockChannel,
  type Promoting,
  readAnswering,
} from "./promoting";

export type Rollback = {
  /** Null: the one that was live before the one that is. */
  checkpointId: string | null;
  actorId: string | null;
  reason: string;
  /** What must be live still: it is this one that does worse. */
  fromId?: string;
  kind?: "rollback" | "autoReturn";
  evidence?: object | null;
};

/**
 * Works while promotions are frozen, too.
 * @returns the number of its row in the history
 * @throws {AppError} CONFLICT where it never was live, is live, its files are gone or changed, or something else than what it
 * was decided about is live; UNAVAILABLE
 */
export async function rollBack(promoting: Promoting, rollback: Rollback): Promise<number> {
  const { db, chat } = promoting;
  const { actorId, reason, kind = "rollback", evidence = null } = rollback;
  const live = await findChannel(db, liveChannel);
  if (!live) throw new AppError("NOT_FOUND", "There is no live policy.");
  checkStill(live, rollback.fromId);
  const checkpointId = rollback.checkpointId ?? (await findBefore(db, live.checkpointId));
  // “The one before” is another one when something else went live meanwhile.
  const fromId = rollback.fromId ?? (rollback.checkpointId === null ? live.checkpointId : undefined);
  checkNotLive(live, checkpointId);
  const formerly = and(eq(promotions.channel, liveChannel), eq(promotions.checkpointId, checkpointId));
  if ((await db.$count(promotions, formerly)) === 0) {
    throw new AppError("CONFLICT", "This policy never was live: it takes a promotion, with its evidence.");
  }
  await checkFiles(promoting, checkpointId);
  // Where both do not fit, a pause is better than a policy that has to go.
  const { fits } = await chat.generation.roomFor(checkpointId);
  let promotionId = 0;
  await chat.generation.pointChannel(liveChannel, {
    checkpointId,
    isCold: !fits,
    commit: async () => {
      promotionId = await db.transaction(async (tx) => {
        const now = await lockChannel(tx, liveChannel);
        checkStill(now, fromId);
        checkNotLive(now, checkpointId);
        const { name, runId } = await readAnswering(tx, checkpointId);
        await notify(tx, {
          kind: "rolledBack",
          runId,
          text: `${name} is live again${kind === "autoReturn" ? " by itself" : ""}${reason ? `: ${reason}` : "."}`,
          promotion: { requestId: null, channel: liveChannel, checkpointId },
        });
        return recordChannel(tx, { channel: liveChannel, checkpointId, kind, actorId, reason, evidence });
      });
    },
  });
  return promotionId;
}

function checkNotLive(live: ChannelRow | null, checkpointId: string): void {
  if (live?.checkpointId === checkpointId) throw new AppError("CONFLICT", "This policy is live already.");
}

/** The last that was live before this one and whose files are still here. */
async function findBefore(db: Db, liveId: string): Promise<string> {
  const rows = await db
    .select({ id: promotions.checkpointId, deletedAt: checkpoints.deletedAt })
    .from(promotions)
    .innerJoin(checkpoints, eq(checkpoints.id, promotions.checkpointId))
    .where(and(eq(promotions.channel, liveChannel), ne(promotions.checkpointId, liveId)))
    .orderBy(desc(promotions.id));
  const found = rows.find(({ deletedAt }) => deletedAt === null);
  if (!found) throw new AppError("CONFLICT", "Nothing was live before, or its files were deleted.");
  return found.id;
}

/** What is said afterwards about something in the history. @throws {AppError} NOT_FOUND */
export async function addNote(
  db: Db,
  { promotionId, text, actorId }: { promotionId: number; text: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    if ((await tx.$count(promotions, eq(promotions.id, promotionId))) === 0) {
      throw new AppError("NOT_FOUND", "There is no such row in the history.");
    }
    await tx.insert(promotionNotes).values({ promotionId, actorId, text });
    await appendAudit(tx, {
      actorId,
      action: "promotion.noted",
      subject: String(promotionId),
      details: { text },
    });
  });
}
