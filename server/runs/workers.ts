/** @file Who may train: workers and their tokens, shown once, stored hashed, revocable. */
import { createHash, randomBytes } from "node:crypto";
import { and, desc, eq, isNull } from "drizzle-orm";
import { runs, workers } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { appendAudit } from "../domain/audit";
import { AppError } from "../errors";
import { type Capabilities, capabilitiesSchema } from "./protocol";

const prefix = "atw_";
/** Nothing heard for this long: shown as away. */
const awayAfterMs = 60_000;

export type WorkerKind = (typeof workers.$inferSelect)["kind"];

export type Worker = {
  id: string;
  name: string;
  kind: WorkerKind;
  /** Last four characters of its token. */
  suffix: string;
  stages: string[];
  /** Null before it asked for work the first time. */
  capabilities: Capabilities | null;
  versions: Record<string, string>;
  protocolVersion: number | null;
  /** `away`: not heard of for a minute. */
  state: "new" | "idle" | "working" | "away" | "revoked";
  /** What it works on. */
  run: { id: string; number: number } | null;
  lastSeenAt: Date | null;
  createdAt: Date;
  revokedAt: Date | null;
};

/** Newest first, revoked ones included. */
export async function listWorkers(db: Db, now = new Date()): Promise<Worker[]> {
  const rows = await db
    .select({ worker: workers, run: { id: runs.id, number: runs.number } })
    .from(workers)
    .leftJoin(runs, eq(runs.workerId, workers.id))
    .orderBy(desc(workers.createdAt));
  return rows.map(({ worker, run }) => toWorker(worker, run, now));
}

function toWorker(row: typeof workers.$inferSelect, run: Worker["run"], now: Date): Worker {
  const capabilities = capabilitiesSchema.safeParse(row.capabilities);
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    suffix: row.suffix,
    stages: row.stages,
    capabilities: capabilities.success ? capabilities.data : null,
    versions: row.versions as Record<string, string>,
    protocolVersion: row.protocolVersion,
    state: stateOf(row, run, now),
    run,
    lastSeenAt: row.lastSeenAt,
    createdAt: row.createdAt,
    revokedAt: row.revokedAt,
  };
}

function stateOf(row: typeof workers.$inferSelect, run: Worker["run"], now: Date): Worker["state"] {
  if (row.revokedAt) return "revoked";
  if (!row.lastSeenAt) return "new";
  if (now.getTime() - row.lastSeenAt.getTime() > awayAfterMs) return "away";
  return run ? "working" : "idle";
}

/** @returns the token itself, which nobody can read again */
export async function createWorker(
  db: Db,
  { name, actorId }: { name: string; actorId: string | null },
): Promise<{ token: string; workerId: string }> {
  const token = newToken();
  return db.transaction(async (tx) => {
    const workerId = await insertWorker(tx, { name, kind: "remote", token, createdBy: actorId });
    await appendAudit(tx, { actorId, action: "worker.created", subject: workerId });
    return { token, workerId };
  });
}

/**
 * The worker that the web process starts as its child. Each start gets a new token, so one that an earlier start left
 * behind is refused.
 */
export async function issueEmbeddedToken(db: Db): Promise<{ token: string; workerId: string }> {
  const token = newToken();
  return db.transaction(async (tx) => {
    const [known] = await tx
      .update(workers)
      .set({ ...tokenColumns(token), revokedAt: null })
      .where(eq(workers.kind, "embedded"))
      .returning({ id: workers.id });
    const workerId =
      known?.id ??
      (await insertWorker(tx, { name: "This machine", kind: "embedded", token, createdBy: null }));
    return { token, workerId };
  });
}

async function insertWorker(
  tx: Tx,
  { token, ...values }: { name: string; kind: WorkerKind; token: string; createdBy: string | null },
): Promise<string> {
  const [row] = await tx
    .insert(workers)
    .values({ ...values, ...tokenColumns(token) })
    .returning({ id: workers.id });
  if (!row) throw new Error("The worker was not stored.");
  return row.id;
}

const newToken = () => `${prefix}${randomBytes(32).toString("base64url")}`;
const tokenColumns = (token: string) => ({ tokenHash: hashToken(token), suffix: token.slice(-4) });

/**
 * Ends the token at once. What the worker holds goes back to the queue when its lease ends.
 * @throws {AppError} NOT_FOUND; CONFLICT for the embedded one, which the server itself starts
 */
export async function revokeWorker(
  db: Db,
  { workerId, actorId }: { workerId: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const [worker] = await tx
      .update(workers)
      .set({ revokedAt: new Date() })
      .where(and(eq(workers.id, workerId), isNull(workers.revokedAt)))
      .returning({ kind: workers.kind });
    if (!worker) throw new AppError("NOT_FOUND", "There is no such worker, or it is revoked already.");
    if (worker.kind === "embedded") {
      throw new AppError(
        "CONFLICT",
        "This is the server's own trainer: it is given a new token at every start. Switch it off in the settings.",
      );
    }
    await appendAudit(tx, { actorId, action: "worker.revoked", subject: workerId });
  });
}

export type CallingWorker = { id: string; name: string; kind: WorkerKind };

/** @returns null for a missing, unknown or revoked token */
export async function authenticateWorker(
  db: Db,
  authorization: string | null,
): Promise<CallingWorker | null> {
  const token = /^Bearer +(\S{1,200})$/i.exec(authorization?.trim() ?? "")?.[1];
  if (!token?.startsWith(prefix)) return null;
  const [worker] = await db
    .update(workers)
    .set({ lastSeenAt: new Date() })
    .where(and(eq(workers.tokenHash, hashToken(token)), isNull(workers.revokedAt)))
    .returning({ id: workers.id, name: workers.name, kind: workers.kind });
  return worker ?? null;
}

/** Tokens are random: a plain hash is enough, and can be looked up. */
function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
