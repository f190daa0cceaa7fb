/** @file What was live when, who decided it, on what evidence, and what people said to it. */
import { and, asc, desc, eq, gt, inArray, lt, lte } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { checkpoints, promotionNotes, promotions, users } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import type { PromotionKind } from "../channels";
import type { Arm } from "./decide-return";
import { readArm } from "./watch";

type Named = { id: string; name: string };

export type HistoryRow = {
  id: number;
  channel: string;
  kind: PromotionKind;
  checkpoint: Named;
  previous: Named | null;
  trafficShare: number;
  /** Null: the server itself, or somebody at the machine. A name is empty where the account is gone. */
  actor: Named | null;
  reason: string;
  /** Evidence and gates as they stood, or what was watched. */
  evidence: unknown;
  notes: { text: string; by: string; at: Date }[];
  at: Date;
};

const previous = alias(checkpoints, "previous");

/** Newest first. @param cursor rows older than this id */
export async function listHistory(
  db: Db,
  { channel, cursor, limit }: { channel: string | null; cursor: number | null; limit: number },
): Promise<{ rows: HistoryRow[]; nextCursor: number | null }> {
  const found = await selectRows(db)
    .where(
      and(
        channel === null ? undefined : eq(promotions.channel, channel),
        cursor === null ? undefined : lt(promotions.id, cursor),
      ),
    )
    .orderBy(desc(promotions.id))
    .limit(limit + 1);
  const rows = await withNotes(db, found.slice(0, limit));
  return { rows, nextCursor: found.length > limit ? (rows.at(-1)?.id ?? null) : null };
}

function selectRows(db: Db) {
  return db
    .select({
      row: promotions,
      name: checkpoints.name,
      previousName: previous.name,
      actorName: users.name,
    })
    .from(promotions)
    .innerJoin(checkpoints, eq(checkpoints.id, promotions.checkpointId))
    .leftJoin(previous, eq(previous.id, promotions.previousId))
    .leftJoin(users, eq(users.id, promotions.actorId))
    .$dynamic();
}

async function withNotes(db: Db, found: Awaited<ReturnType<typeof selectRows>>): Promise<HistoryRow[]> {
  const ids = found.map(({ row }) => row.id);
  const notes =
    ids.length === 0
      ? []
      : await db
          .select({ note: promotionNotes, name: users.name })
          .from(promotionNotes)
          .leftJoin(users, eq(users.id, promotionNotes.actorId))
          .where(inArray(promotionNotes.promotionId, ids))
          .orderBy(asc(promotionNotes.at));
  return found.map(({ row, name, previousName, actorName }) => ({
    id: row.id,
    channel: row.channel,
    kind: row.kind,
    checkpoint: { id: row.checkpointId, name },
    previous: row.previousId === null ? null : { id: row.previousId, name: previousName ?? "" },
    trafficShare: row.trafficShare,
    actor: row.actorId === null ? null : { id: row.actorId, name: actorName ?? "" },
    reason: row.reason,
    evidence: row.evidence,
    notes: notes
      .filter(({ note }) => note.promotionId === row.id)
      .map(({ note, name: by }) => ({ text: note.text, by: by ?? "", at: note.at })),
    at: row.at,
  }));
}

export type LiveThen = HistoryRow & {
  /** When something else followed; null: it is so now. */
  until: Date | null;
  /** What people made of it in that time. */
  received: Arm;
};

/** Null: nothing was on that channel then. @throws {AppError} BAD_REQUEST for the future */
export async function whatWasLive(
  db: Db,
  { channel, at }: { channel: string; at: Date },
): Promise<LiveThen | null> {
  if (at.getTime() > Date.now()) throw new AppError("BAD_REQUEST", "Nobody knows what will be live then.");
  const [row] = await withNotes(
    db,
    await selectRows(db)
      .where(and(eq(promotions.channel, channel), lte(promotions.at, at)))
      .orderBy(desc(promotions.at), desc(promotions.id))
      .limit(1),
  );
  if (!row || row.kind === "canaryEnded") return null;
  const [next] = await db
    .select({ at: promotions.at })
    .from(promotions)
    .where(and(eq(promotions.channel, channel), gt(promotions.id, row.id)))
    .orderBy(asc(promotions.id))
    .limit(1);
  const until = next?.at ?? null;
  const received = await readArm(db, { checkpointId: row.checkpoint.id, channel, from: row.at, to: until });
  return { ...row, until, received };
}

export type FormerlyLive = {
  id: string;
  name: string;
  lastLiveAt: Date;
  /** The server took it back by itself, and it was not live again since. */
  isTakenBack: boolean;
};

/** Policies that were live and are not, newest first: each one click away while its files are here. */
export async function listFormerlyLive(db: Db, liveId: string | null): Promise<FormerlyLive[]> {
  const rows = await db
    .select({
      id: checkpoints.id,
      name: checkpoints.name,
      at: promotions.at,
      kind: promotions.kind,
      previousId: promotions.previousId,
      deletedAt: checkpoints.deletedAt,
    })
    .from(promotions)
    .innerJoin(checkpoints, eq(checkpoints.id, promotions.checkpointId))
    .where(eq(promotions.channel, liveChannel))
    .orderBy(desc(promotions.id));
  const seen = new Set([liveId]);
  const takenBack = new Set<string>();
  return rows.flatMap(({ id, name, at, kind, previousId, deletedAt }) => {
    // Newest first: what is seen already was live again after this return.
    if (kind === "autoReturn" && previousId !== null && !seen.has(previousId)) takenBack.add(previousId);
    if (seen.has(id) || deletedAt) return [];
    seen.add(id);
    return [{ id, name, lastLiveAt: at, isTakenBack: takenBack.has(id) }];
  });
}
