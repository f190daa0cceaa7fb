/** @file Brings chat up: finds a model, points the live channel, starts its engine, makes the services everything else uses. */
import path from "node:path";
import type { Db } from "../db/db";
import { BackgroundSampling } from "../domain/batches/sample-responses";
import { readChannels } from "../domain/channels";
import { chooseLive } from "../domain/channels-boot";
import { locateCheckpoint } from "../domain/checkpoints";
import { settleCutPairs } from "../domain/live/decide-pair";
import { markUnfinishedInterrupted } from "../domain/messages";
import { pickBest } from "../domain/reward-models/pick-best";
import { defaultThreads, type Env } from "../env";
import { AnswerWriter } from "../generation/answer-writer";
import { Answers } from "../generation/answers";
import { ConversationChanges } from "../generation/conversation-changes";
import { Generation } from "../generation/generation";
import type { Log } from "../log";
import { Metrics } from "../metrics";
import type { EnsuredModel } from "../models/ensure-model";
import type { ChatServices } from "../process-state";
import { scoringServices } from "../scoring/scoring-services";

type ChatStart = {
  db: Db;
  env: Env;
  log: Log;
  /** The compiled engine: dist/engine.js. */
  engineEntry: string;
  model: EnsuredModel;
};

/** Answers that a killed server left behind are marked first. Does not wait for the engine to load. */
export async function startChat({ db, env, log, engineEntry, model }: ChatStart): Promise<ChatServices> {
  const interrupted = await markUnfinishedInterrupted(db);
  if (interrupted > 0)
    log.info({ interrupted }, "answers cut by the last stop are kept and can be continued");
  await settleCutPairs(db);
  await chooseLive(db, { env, model });
  const metrics = new Metrics();
  const generation = new Generation({
    engineEntry,
    engine: {
      precision: env.ATTUNE_PRECISION,
      threads: env.ATTUNE_THREADS ?? defaultThreads(),
      slots: env.ATTUNE_SLOTS,
      cacheFolder: path.join(env.ATTUNE_DATA, "cache", "serving"),
    },
    locate: (checkpointId) => locateCheckpoint(db, checkpointId, env.ATTUNE_DATA),
    onLog: ({ level, message, checkpointId }) => log[level]({ engine: checkpointId.slice(0, 12) }, message),
    observer: metrics.observer,
  });
  const answers = new Answers({
    generation,
    writer: new AnswerWriter(db, (err) => log.error({ err }, "growing answers could not be stored")),
    pickBest: (candidates) => pickBest({ db, scoring: scoringServices().scoring }, candidates),
    onError: (err, messageId) => log.warn({ err, messageId }, "answer failed"),
  });
  metrics.watch(generation, answers);
  generation.openChannels(await readChannels(db));
  const sampling = new BackgroundSampling({ db, generation, log });
  return { generation, answers, changes: new ConversationChanges(), metrics, sampling, log };
}
