/** @file What goes for good: conversations whose deletion can no longer be undone, and those older than an admin lets them be. */
import { and, isNotNull, isNull, lt } from "drizzle-orm";
import { conversations } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { undoWindowMs } from "./conversations";
import { readSetting } from "./settings";

const dayMs = 24 * 60 * 60 * 1000;

/** @returns how many conversations were removed, and why */
export async function sweepConversations(
  db: Db,
  now = new Date(),
): Promise<{ deleted: number; outdated: number }> {
  const deleted = await db
    .delete(conversations)
    .where(
      and(
        isNotNull(conversations.deletedAt),
        lt(conversations.deletedAt, new Date(now.getTime() - undoWindowMs)),
      ),
    )
    .returning({ id: conversations.id });
  const retentionDays = await readSetting(db, "retentionDays");
  if (retentionDays === null) return { deleted: deleted.length, outdated: 0 };
  const outdated = await db
    .delete(conversations)
    .where(
      and(
        isNull(conversations.deletedAt),
        lt(conversations.updatedAt, new Date(now.getTime() - retentionDays * dayMs)),
      ),
    )
    .returning({ id: conversations.id });
  return { deleted: deleted.length, outdated: outdated.length };
}
