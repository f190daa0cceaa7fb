/** @file What `model` names: a channel, a checkpoint's id, or a checkpoint's name. */
import { asc, desc, eq, or } from "drizzle-orm";
import { channels, checkpoints } from "@/drizzle/schema";
import type { SessionUser } from "../context";
import type { Db } from "../db/db";
import { mayName } from "../domain/checkpoints";
import { AppError } from "../errors";
import type { Target } from "../generation/generation";
import { liveChannel } from "../generation/traffic-split";
import { isAllowed } from "../permissions";

export type ApiModel = {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  /** The checkpoint that answers under this id now. */
  checkpoint: string;
  name: string;
};

type Person = Pick<SessionUser, "role" | "grants">;

/** Channels first (live alone, for who does not manage models), then the checkpoints that can answer and this person may name: see `mayName`. */
export async function listApiModels(db: Db, person: Person): Promise<ApiModel[]> {
  const mayNameAll = isAllowed(person, "models.manage");
  const pointers = await db
    .select({ channel: channels, name: checkpoints.name })
    .from(channels)
    .innerJoin(checkpoints, eq(checkpoints.id, channels.checkpointId))
    .where(mayNameAll ? undefined : eq(channels.name, liveChannel))
    .orderBy(asc(channels.name));
  const rows = await db.select().from(checkpoints).orderBy(desc(checkpoints.createdAt));
  const isLive = (id: string) => pointers.some(({ channel }) => channel.checkpointId === id);
  return [
    ...pointers.map(({ channel, name }) =>
      toModel(channel.name, { checkpoint: channel.checkpointId, name, createdAt: channel.changedAt }),
    ),
    ...rows
      .filter(({ id, stage }) => stage !== "reward" && (mayNameAll || isLive(id)))
      .map((row) => toModel(row.id, { checkpoint: row.id, name: row.name, createdAt: row.createdAt })),
  ];
}

function toModel(
  id: string,
  { checkpoint, name, createdAt }: { checkpoint: string; name: string; createdAt: Date },
): ApiModel {
  const created = Math.floor(createdAt.getTime() / 1000);
  return { id, object: "model", created, owned_by: "attune", checkpoint, name };
}

/** What is tried beside live is met by chance, or by those who manage models. */
const mayNameChannel = (person: Person, channel: string) =>
  channel === liveChannel || isAllowed(person, "models.manage");

/** @throws {AppError} NOT_FOUND, also for what this person may not name; BAD_REQUEST for a reward model */
export async function chooseModel(db: Db, person: Person, model: string): Promise<Target> {
  const [channel] = await db.select().from(channels).where(eq(channels.name, model));
  if (channel && mayNameChannel(person, channel.name)) return { channel: channel.name };
  const [row] = await db
    .select({ id: checkpoints.id, stage: checkpoints.stage })
    .from(checkpoints)
    .where(or(eq(checkpoints.id, model), eq(checkpoints.name, model)))
    .orderBy(desc(checkpoints.createdAt));
  if (!row || !(await mayName(db, person, row.id)))
    throw new AppError("NOT_FOUND", `There is no model “${model}”. GET /v1/models lists them.`);
  if (row.stage === "reward") {
    throw new AppError("BAD_REQUEST", "A reward model scores answers; it gives none.");
  }
  return { checkpointId: row.id };
}
