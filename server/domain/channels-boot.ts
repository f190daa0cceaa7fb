/** @file Which checkpoint the live channel points to when the server starts. */
import fs from "node:fs";
import path from "node:path";
import { eq } from "drizzle-orm";
import { channels, checkpoints, settings } from "@/drizzle/schema";
import { manifestFileName } from "@/model/checkpoint/manifest";
import type { Db } from "../db/db";
import { liveChannel, writeChannel } from "./channels";
import { isToyFolder, registerCheckpoint } from "./checkpoints";

/** The model that ATTUNE_MODEL named when it was last obeyed. */
const namedModelKey = "boot.namedModel";

type Choice = {
  env: { ATTUNE_DATA: string; ATTUNE_MODEL?: string | undefined };
  /** What this start found; see server/models/ensure-model.ts. */
  model: { folder: string; isToy: boolean };
};

/**
 * Registers the model of this start, and points `live` at it when there is no live checkpoint, when its files are gone,
 * when a real model can replace the toy, or when ATTUNE_MODEL names another one than at the last start (so that a
 * promoted policy is not undone by a variable that was set long ago).
 */
export async function chooseLive(db: Db, { env, model }: Choice): Promise<void> {
  const checkpointId = await registerCheckpoint(db, model.folder, env.ATTUNE_DATA);
  const reason = await reasonToSwitch(db, { env, model }, checkpointId);
  if (reason) {
    await writeChannel(db, { channel: liveChannel, checkpointId, actorId: null, reason, kind: "started" });
  }
  if (env.ATTUNE_MODEL) await remember(db, checkpointId);
}

async function reasonToSwitch(db: Db, { env, model }: Choice, checkpointId: string): Promise<string | null> {
  const [live] = await db
    .select({ id: checkpoints.id, folder: checkpoints.folder })
    .from(channels)
    .innerJoin(checkpoints, eq(checkpoints.id, channels.checkpointId))
    .where(eq(channels.name, liveChannel));
  if (!live) return "first start";
  if (live.id === checkpointId) return null;
  const folder = path.resolve(env.ATTUNE_DATA, live.folder);
  if (!fs.existsSync(path.join(folder, manifestFileName))) return "the files of the live checkpoint are gone";
  if (isToyFolder(folder) && !model.isToy) return "a real model replaces the toy";
  if (env.ATTUNE_MODEL && (await remembered(db)) !== checkpointId) return "ATTUNE_MODEL names it";
  return null;
}

async function remembered(db: Db): Promise<unknown> {
  const [row] = await db.select().from(settings).where(eq(settings.key, namedModelKey));
  return row?.value;
}

async function remember(db: Db, checkpointId: string): Promise<void> {
  await db
    .insert(settings)
    .values({ key: namedModelKey, value: checkpointId })
    .onConflictDoUpdate({ target: settings.key, set: { value: checkpointId, updatedAt: new Date() } });
}
