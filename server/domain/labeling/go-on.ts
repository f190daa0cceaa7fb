/** @file From one task to the next in one call, so that a labeler waits for the server once. */
import type { Db } from "../../db/db";
import { claimNext, type NextTask, type Purpose } from "./claims";

/**
 * Ends a task and gives out what follows it, where the page says what it is there for. What was sent is stored by then: a
 * next task that cannot be given out is null, and the page asks again and is told why.
 */
export async function endAndGoOn<R extends object>(
  db: Db,
  { labelerId, nextPurpose }: { labelerId: string; nextPurpose?: Purpose | undefined },
  end: () => Promise<R>,
): Promise<R & { next: NextTask | null }> {
  const ended = await end();
  if (!nextPurpose) return { ...ended, next: null };
  const next = await claimNext(db, { labelerId, purpose: nextPurpose }).catch(() => null);
  return { ...ended, next };
}
