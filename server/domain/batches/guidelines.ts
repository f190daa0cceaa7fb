/** @file The instructions to labelers: versions that never change, the newest current, the first shipped with Attune. */
import { desc, eq, sql } from "drizzle-orm";
import { guidelines, users } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { firstGuidelines } from "./first-guidelines";

export const mostGuidelinesCharacters = 100_000;

export type Guidelines = {
  version: number;
  /** Markdown. */
  text: string;
  /** What changed since the version before; empty for the first. */
  changes: string;
  createdBy: { id: string; name: string } | null;
  createdAt: Date;
};

export type GuidelinesSummary = Omit<Guidelines, "text">;

const summary = {
  version: guidelines.version,
  changes: guidelines.changes,
  createdBy: { id: users.id, name: users.name },
  createdAt: guidelines.createdAt,
};

/** Newest first; there is always one. */
export async function listGuidelines(db: Db): Promise<GuidelinesSummary[]> {
  await ensureGuidelines(db);
  return db
    .select(summary)
    .from(guidelines)
    .leftJoin(users, eq(users.id, guidelines.createdBy))
    .orderBy(desc(guidelines.version));
}

/** @param version null = the current one. @throws {AppError} NOT_FOUND */
export async function readGuidelines(db: Db, version: number | null): Promise<Guidelines> {
  await ensureGuidelines(db);
  const [row] = await db
    .select({ ...summary, text: guidelines.text })
    .from(guidelines)
    .leftJoin(users, eq(users.id, guidelines.createdBy))
    .where(version === null ? undefined : eq(guidelines.version, version))
    .orderBy(desc(guidelines.version))
    .limit(1);
  if (!row) throw new AppError("NOT_FOUND", `There is no version ${version} of the guidelines.`);
  return row;
}

export async function currentGuidelinesVersion(db: Db): Promise<number> {
  return (await readGuidelines(db, null)).version;
}

/** The text that comes with Attune, where nobody has written one yet. */
async function ensureGuidelines(db: Db): Promise<void> {
  const [any] = await db.select({ version: guidelines.version }).from(guidelines).limit(1);
  if (any) return;
  await db.insert(guidelines).values({ version: 1, text: firstGuidelines }).onConflictDoNothing();
}

export type NewGuidelines = {
  text: string;
  changes: string;
  /** The version it was written from. */
  basedOn: number;
  actorId: string;
};

/**
 * The new text is current at once; batches keep the version they were made with.
 * @returns its version
 * @throws {AppError} CONFLICT when somebody else has written a version meanwhile
 */
export async function addGuidelines(
  db: Db,
  { text, changes, basedOn, actorId }: NewGuidelines,
): Promise<number> {
  return db.transaction(async (tx) => {
    await lockGuidelines(tx);
    const current = await readGuidelines(tx, null);
    if (current.version !== basedOn) throw overtaken(current.version, basedOn);
    if (current.text === text) {
      throw new AppError(
        "BAD_REQUEST",
        `This is the text of version ${current.version}. Nothing was changed.`,
      );
    }
    const version = basedOn + 1;
    const added = await tx
      .insert(guidelines)
      .values({ version, text, changes, createdBy: actorId })
      .onConflictDoNothing()
      .returning({ version: guidelines.version });
    if (added.length === 0) throw overtaken(version, basedOn);
    await appendAudit(tx, { actorId, action: "guidelines.versionAdded", subject: String(version) });
    return version;
  });
}

/** Until the transaction ends nobody else adds a version. */
export async function lockGuidelines(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('attune guidelines'))`);
}

function overtaken(version: number, basedOn: number): AppError {
  return new AppError(
    "CONFLICT",
    `Version ${version} was added since you began with version ${basedOn}. Read it, then bring your change into it.`,
  );
}
