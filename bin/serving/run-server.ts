/** @file The life of the web process: open, migrate, load, serve, drain, close. In this order, and back. */
import fs from "node:fs/promises";
import path from "node:path";
import { newControlToken, removeServerFile, writeServerFile } from "@/server/boot/server-file";
import { startChat } from "@/server/boot/start-chat";
import { type PageHandler, startWebServer, type WebServerOptions } from "@/server/boot/web-server";
import type { Db } from "@/server/db/db";
import { openDatabase } from "@/server/db/open-database";
import { prepareDatabase } from "@/server/db/prepare-database";
import { scheduleBackups } from "@/server/db/schedule-backups";
import { sweepConversations } from "@/server/domain/conversations-sweep";
import { resumeImports } from "@/server/domain/exchange/imports";
import { sweepPrompts } from "@/server/domain/prompts/sweep-prompts";
import { ensureSetupLink } from "@/server/domain/setup";
import { defaultTrainerThreads, type Env, publicUrl } from "@/server/env";
import { log } from "@/server/log";
import { createMailer } from "@/server/mail";
import type { EnsuredModel } from "@/server/models/ensure-model";
import { type ChatServices, processState } from "@/server/process-state";
import { EmbeddedTrainer } from "@/server/runs/embedded-trainer";
import { startUpkeep } from "@/server/runs/upkeep";
import { startScoring } from "@/server/scoring/scoring-services";
import { removeAbandoned } from "../training/work-folder";

export type ServerParts = {
  env: Env;
  /** The compiled engine: dist/engine.js. */
  engineEntry: string;
  /** The compiled scorer: dist/scorer.js. */
  scorerEntry: string;
  /** The compiled trainer: dist/trainer.js; null: this process starts none. */
  trainer: {
    entry: string;
    /** Where it reaches this server, if not at the address it is given: a proxy may stand between. */
    url?: string;
  } | null;
  findModel: (env: Env) => Promise<EnsuredModel>;
  /** Makes the handler of all requests, once everything it needs is up. */
  preparePages: () => Promise<Pages>;
  /** Told when people can come. */
  onReady: (ready: Ready) => void;
};

export type Pages = { handle: PageHandler; onUpgrade?: WebServerOptions["onUpgrade"] };
export type Ready = { url: string; setupUrl: string | null };

const sweepEveryMs = 10 * 60 * 1000;
/** How long running answers may go on after the first signal. */
const drainMs = 5_000;
const closeMs = 2_000;

/** Serves until `stop` resolves, then drains and closes everything. */
export async function runServer(parts: ServerParts, stop: Promise<unknown>): Promise<void> {
  const { env } = parts;
  const state = processState();
  await fs.mkdir(env.ATTUNE_DATA, { recursive: true });
  await using opened = await openDatabase({
    dataFolder: env.ATTUNE_DATA,
    databaseUrl: env.DATABASE_URL,
    purpose: "server",
  });
  await prepareDatabase(opened, env.ATTUNE_DATA);
  state.db = opened.db;
  const model = await parts.findModel(env);
  const chat = await startChat({ db: opened.db, env, log, engineEntry: parts.engineEntry, model });
  await using _engines = chat.generation;
  await using _sampling = chat.sampling;
  state.chat = chat;
  await using scoring = startScoring({ db: opened.db, env, log, scorerEntry: parts.scorerEntry });
  state.scoring = scoring;
  state.controlToken = newControlToken();
  const pages = await parts.preparePages();
  const web = await startWebServer({
    ...pages,
    env,
    metrics: chat.metrics,
    onError: (err) => log.error({ err }, "request failed"),
  });
  await using _backups = scheduleBackups({
    db: opened.db,
    dataFolder: env.ATTUNE_DATA,
    everyHours: env.ATTUNE_BACKUP_HOURS,
    keep: env.ATTUNE_BACKUP_KEEP,
  });
  await using _runs = await startUpkeep({
    db: opened.db,
    dataFolder: env.ATTUNE_DATA,
    leaseSeconds: env.ATTUNE_LEASE_SECONDS,
    mailer: createMailer(env, web.port),
    chat,
    precision: env.ATTUNE_PRECISION,
  });
  await using trainer = await startTrainer(parts, opened.db, web.port);
  if (trainer) chat.metrics.watchTrainer(() => trainer.status());
  state.trainer = trainer;
  const sweepOnce = () => {
    sweepConversations(opened.db).catch((err: unknown) => log.error({ err }, "sweep failed"));
    sweepPrompts(opened.db).catch((err: unknown) => log.error({ err }, "collecting prompts failed"));
  };
  resumeImports(opened.db, env.ATTUNE_DATA).catch((err: unknown) =>
    log.error({ err }, "imports were not read on"),
  );
  // At once, too: a machine that is switched off every night must keep the promised days as well.
  sweepOnce();
  const sweep = setInterval(sweepOnce, sweepEveryMs);
  writeServerFile(env.ATTUNE_DATA, {
    pid: process.pid,
    url: publicUrl({ HOST: env.HOST, PORT: web.port, ATTUNE_URL: undefined }),
    token: state.controlToken,
    startedAt: state.startedAt.toISOString(),
  });
  state.phase = "serving";
  parts.onReady({
    url: publicUrl(env, web.port),
    setupUrl: await ensureSetupLink(opened.db, env, web.port),
  });

  await stop;
  state.phase = "draining";
  clearInterval(sweep);
  chat.generation.refuseNew();
  // Nobody waits for it: it would only keep the engines busy while answers finish.
  await chat.sampling[Symbol.asyncDispose]();
  const [interrupted] = await Promise.all([drain(chat), trainer?.[Symbol.asyncDispose]()]);
  log.info({ interrupted }, "stopping");
  await web.close(closeMs);
  removeServerFile(env.ATTUNE_DATA);
}

async function startTrainer(
  { env, trainer }: ServerParts,
  db: Db,
  port: number,
): Promise<EmbeddedTrainer | null> {
  const folder = path.join(env.ATTUNE_DATA, "trainer");
  // Data that a killed trainer left; a person's rows may have been erased since.
  await removeAbandoned(folder);
  if (!trainer || env.ATTUNE_TRAINER === "off") return null;
  return EmbeddedTrainer.start({
    db,
    entry: trainer.entry,
    url: trainer.url ?? publicUrl({ HOST: env.HOST, PORT: port, ATTUNE_URL: undefined }),
    folder,
    threads: env.ATTUNE_TRAINER_THREADS ?? defaultTrainerThreads(),
    log,
  });
}

/** Chat answers and API requests may finish; what has not is stored as interrupted. @returns how many answers were cut */
async function drain({ answers, generation }: ChatServices): Promise<number> {
  const until = Date.now() + drainMs;
  const isIdle = () => generation.status().every(({ running, waiting }) => running + waiting === 0);
  while (Date.now() < until && !(isIdle() && answers.count === 0)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return answers.interrupt(closeMs);
}
