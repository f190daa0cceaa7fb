/** @file What the command line asks of a running server, which alone may open the database. */
import path from "node:path";
import { z } from "zod";
import { type LayoutName, layoutNames } from "@/model/data/rankings/layouts";
import { createBackup, defaultBackupTarget } from "../db/backup";
import type { Db } from "../db/db";
import { type Env, publicUrl } from "../env";
import { AppError } from "../errors";
import { listModels, removeModel } from "../models/model-library";
import { roles } from "../permissions";
import type { ChatServices } from "../process-state";
import { runCommands, runHandlers } from "../runs/run-commands";
import { describeUse, pointChannel, writeChannel } from "./channels";
import { markDeleted, registerCheckpoint } from "./checkpoints";
import { exportLayouts, exportRankingsTo } from "./exchange/export-rankings";
import { importFile } from "./exchange/imports";
import { rankingFilterSchema } from "./exchange/read-ranked-prompts";
import { issueResetLinkByEmail } from "./password-reset";
import { listPeople } from "./people";
import { verifyCardFile } from "./promotion/model-card";
import { createAccount } from "./sign-up";
import { verifySignedAudit } from "./signed-head";

export const controlCommand = z.discriminatedUnion("command", [
  /** A one-time link to choose a new password. */
  z.object({ command: z.literal("resetPassword"), email: z.email() }),
  z.object({ command: z.literal("listUsers"), search: z.string().max(200).default("") }),
  /** An account without a password, and the one-time link to choose one. */
  z.object({
    command: z.literal("createUser"),
    name: z.string().trim().min(1).max(100),
    email: z.email().max(200),
    role: z.enum(roles),
  }),
  /** Recomputes the chain of the audit log; `card`: a model card of this server whose signature and head are looked at, too. */
  z.object({
    command: z.literal("verifyAudit"),
    card: z.string().refine(path.isAbsolute, "must be absolute").nullable().default(null),
  }),
  z.object({ command: z.literal("listModels") }),
  z.object({ command: z.literal("removeModel"), model: z.string().min(1) }),
  /** Registers a checkpoint folder of this machine and points a channel at it, without a restart. */
  z.object({
    command: z.literal("useModel"),
    folder: z.string().refine(path.isAbsolute, "must be absolute"),
    channel: z.string().min(1).max(40).default("live"),
  }),
  /** `target` null = a new folder below data/backups. */
  z.object({
    command: z.literal("backup"),
    target: z.string().refine(path.isAbsolute, "must be absolute").nullable().default(null),
  }),
  /** A file of rankings of this machine, read to its end. */
  z.object({
    command: z.literal("importRankings"),
    file: z.string().refine(path.isAbsolute, "must be absolute"),
    layout: z
      .enum(layoutNames as [LayoutName, ...LayoutName[]])
      .nullable()
      .default(null),
    /** Also where such a file was imported before. */
    isAgain: z.boolean().default(false),
  }),
  /** All rankings that count and fit, written to a file of this machine. */
  rankingFilterSchema.extend({
    command: z.literal("exportRankings"),
    file: z.string().refine(path.isAbsolute, "must be absolute"),
    layout: z.enum(exportLayouts),
    withHeldOut: z.boolean().default(false),
    from: z.coerce.date().nullable().default(null),
    to: z.coerce.date().nullable().default(null),
  }),
  z.object({ command: z.literal("status") }),
  ...runCommands,
]);

export type ControlCommand = z.infer<typeof controlCommand>;

/** `chat` is null where no server runs and the command line opened the database itself. */
type Parts = { db: Db; env: Env; chat: ChatServices | null };

const handlers: {
  [K in ControlCommand["command"]]: (
    parts: Parts,
    command: Extract<ControlCommand, { command: K }>,
  ) => Promise<object>;
} = {
  async resetPassword({ db, env }, { email }) {
    const link = await issueResetLinkByEmail(db, email);
    return { url: `${publicUrl(env)}${link.path}`, expiresAt: link.expiresAt };
  },
  importRankings: ({ db }, { file, layout, isAgain }) =>
    importFile(db, { file, layout, isAgain, actorId: null }),
  exportRankings: ({ db }, { file, command: _, ...options }) => exportRankingsTo(db, file, options),
  async listUsers({ db }, { search }) {
    const { people, total } = await listPeople(db, { search, cursor: null, limit: 1000 });
    return { people, total };
  },
  async createUser({ db, env }, { name, email, role }) {
    const link = await createAccount(db, { name, email, role });
    return { url: `${publicUrl(env)}${link.path}`, expiresAt: link.expiresAt };
  },
  async verifyAudit({ db, env }, { card }) {
    const verdict = await verifySignedAudit(db, env.ATTUNE_DATA);
    return card === null || !verdict.ok
      ? verdict
      : { ...verdict, card: await verifyCardFile(db, card, env.ATTUNE_DATA) };
  },
  async listModels({ db, env, chat }) {
    const models = await listModels(env.ATTUNE_DATA);
    const use = await Promise.all(models.map(({ checkpointId }) => describeUse(db, checkpointId)));
    return {
      models: models.map((model, index) => ({
        ...model,
        use: use[index] ?? null,
        engine: chat?.generation.stateOf(model.checkpointId)?.state ?? null,
      })),
    };
  },
  async removeModel({ db, env }, { model }) {
    const removed = await removeModel(env.ATTUNE_DATA, model, (id) => describeUse(db, id));
    await markDeleted(db, removed.checkpointId);
    return { removed };
  },
  async useModel({ db, env, chat }, { folder, channel }) {
    const checkpointId = await registerCheckpoint(db, folder, env.ATTUNE_DATA);
    const change = { channel, checkpointId, actorId: null, reason: "command line" };
    await (chat ? pointChannel(db, chat, change) : writeChannel(db, change));
    return { channel, checkpointId };
  },
  async backup({ db, env }, { target }) {
    const { folder, sizeBytes } = await createBackup({
      db,
      dataFolder: env.ATTUNE_DATA,
      target: target ?? defaultBackupTarget(env.ATTUNE_DATA),
    });
    return { folder, sizeBytes };
  },
  ...runHandlers,
  async status({ chat }) {
    return { engines: chat?.generation.status() ?? [], answers: chat?.answers.count ?? 0 };
  },
};

/** Runs one command. @throws what the domain throws; the caller may tell every message, for it is at the machine */
export async function runControlCommand<K extends ControlCommand["command"]>(
  parts: Parts,
  command: Extract<ControlCommand, { command: K }>,
): Promise<object> {
  // The table's key is the command's own: the compiler cannot carry that through an index.
  const handler = handlers[command.command as K];
  return handler(parts, command);
}

/** @throws {AppError} BAD_REQUEST naming the field */
export function readControlCommand(body: unknown): ControlCommand {
  const parsed = controlCommand.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new AppError("BAD_REQUEST", z.prettifyError(parsed.error));
}
