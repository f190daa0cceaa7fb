/** @file What promotion works with, and the facts about channels and checkpoints that all of its acts ask for. */
import path from "node:path";
import { and, eq, ne } from "drizzle-orm";
import { channels, checkpoints } from "@/drizzle/schema";
import { readManifest, verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import type { EvalReport } from "@/model/eval/eval-report";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import type { Room } from "../../generation/generation";
import { liveChannel } from "../../generation/traffic-split";
import type { ChatServices } from "../../process-state";
import { lineageBaseOf } from "../checkpoints";
import { type ChannelSettings, channelSettingsSchema, type RampSteps, rampSchema } from "./channel-settings";

export type Promoting = {
  db: Db;
  chat: Pick<ChatServices, "generation">;
  dataFolder: string;
  /** The form in which policies are served: what was measured in another says nothing. */
  precision: EvalReport["precision"];
};

export type ChannelRow = typeof channels.$inferSelect;

export async function findChannel(db: Db | Tx, name: string): Promise<ChannelRow | null> {
  const [row] = await db.select().from(channels).where(eq(channels.name, name));
  return row ?? null;
}

/** Take it before anything is appended to the audit log: everything that writes channels locks in this order. */
export async function lockChannel(tx: Tx, name: string): Promise<ChannelRow | null> {
  const [row] = await tx.select().from(channels).where(eq(channels.name, name)).for("update");
  return row ?? null;
}

/** What a decision was made about, where it must be so still. @throws {AppError} CONFLICT where something else is there now */
export function checkStill(channel: ChannelRow | null, checkpointId: string | null | undefined): void {
  if (checkpointId === undefined || (channel?.checkpointId ?? null) === checkpointId) return;
  throw new AppError(
    "CONFLICT",
    channel?.name === liveChannel || !channel
      ? "Another policy went live meanwhile. Look at the evidence against that one."
      : `Another policy is on ${channel.name} meanwhile.`,
  );
}

/** Live answers what canaries leave, also when each is at the end of its ramp. @throws {AppError} CONFLICT with the shares */
export async function checkShares(
  db: Db,
  { channel, share }: { channel: string; share: number },
): Promise<void> {
  const others = await db
    .select()
    .from(channels)
    .where(and(ne(channels.name, channel), ne(channels.name, liveChannel)));
  const shares = [
    { name: channel, most: share },
    ...others.map((row) => ({ name: row.name, most: mostShare(row) })).filter(({ most }) => most > 0),
  ];
  const sum = shares.reduce((total, { most }) => total + most, 0);
  if (sum < 100) return;
  const named = shares.map(({ name, most }) => `${name} up to ${most} %`).join(", ");
  throw new AppError("CONFLICT", `All canaries together must stay below 100 %: ${named}.`);
}

const mostShare = ({ trafficShare, ramp }: ChannelRow) =>
  ramp === null ? trafficShare : Math.max(trafficShare, mostShareOf(rampSchema.parse(ramp).steps));

/** What a canary's share grows to. */
export const mostShareOf = (steps: RampSteps) => Math.max(...steps.map(({ share }) => share));

/** Of a channel that is not there yet: the defaults. */
export const settingsOf = (channel: Pick<ChannelRow, "settings"> | null): ChannelSettings =>
  channelSettingsSchema.parse(channel?.settings ?? {});

/** @throws {AppError} NOT_FOUND; BAD_REQUEST for a reward model; CONFLICT where its files were deleted */
export async function readAnswering(db: Db | Tx, checkpointId: string) {
  const [row] = await db.select().from(checkpoints).where(eq(checkpoints.id, checkpointId));
  if (!row) throw new AppError("NOT_FOUND", "There is no such checkpoint.");
  if (row.stage === "reward") {
    throw new AppError("BAD_REQUEST", "A reward model scores answers; it cannot be on a channel.");
  }
  if (row.deletedAt) throw new AppError("CONFLICT", `The files of ${row.name} were deleted.`);
  return row;
}

/**
 * Compares every file of a checkpoint, and of the base of an adapter, with what its manifest says.
 * @throws {AppError} CONFLICT naming what is missing or was changed
 */
export async function checkFiles(
  { db, dataFolder }: Pick<Promoting, "db" | "dataFolder">,
  checkpointId: string,
): Promise<void> {
  const row = await readAnswering(db, checkpointId);
  await checkFolder(path.resolve(dataFolder, row.folder), row);
  const baseId = lineageBaseOf(row.manifest);
  const [base] = baseId === null ? [] : await db.select().from(checkpoints).where(eq(checkpoints.id, baseId));
  if (base) await checkFolder(path.resolve(dataFolder, base.folder), base);
}

async function checkFolder(folder: string, { id, name }: { id: string; name: string }): Promise<void> {
  try {
    const found = await readManifest(folder);
    if (found.id !== id) throw new Error(`its manifest has sha256 ${found.id} and not ${id}`);
    await verifyCheckpoint(folder);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AppError("CONFLICT", `The files of ${name} are not what was registered: ${why}`, {
      cause: error,
    });
  }
}

/** @throws {AppError} PRECONDITION_FAILED where both do not fit, with the other way */
export function checkRoom({ fits, neededBytes, freeBytes }: Room): void {
  if (fits) return;
  throw new AppError(
    "PRECONDITION_FAILED",
    `It needs about ${megabytes(neededBytes)} MB beside what is live, and ${megabytes(freeBytes)} MB are free. ` +
      "Choose the cold way: the live policy is unloaded first, and chat pauses until the new one is loaded.",
  );
}

const megabytes = (bytes: number) => Math.round(bytes / 1e6).toLocaleString("en");
