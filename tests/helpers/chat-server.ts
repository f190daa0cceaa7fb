/** @file The chat services of one process over a test database and the fake policy, for tests of procedures. */
import type { Db } from "@/server/db/db";
import type { DatabaseHome } from "@/server/db/open-database";
import { BackgroundSampling } from "@/server/domain/batches/sample-responses";
import { readChannels, writeChannel } from "@/server/domain/channels";
import { locateCheckpoint, registerCheckpoint } from "@/server/domain/checkpoints";
import type { AnswerUpdate } from "@/server/generation/answer-updates";
import { AnswerWriter } from "@/server/generation/answer-writer";
import { Answers } from "@/server/generation/answers";
import type { PickBest } from "@/server/generation/best-of";
import { ConversationChanges } from "@/server/generation/conversation-changes";
import { log } from "@/server/log";
import { Metrics } from "@/server/metrics";
import { type ChatServices, processState } from "@/server/process-state";
import { writeFakeCheckpoint } from "./fake-checkpoint";
import { fakeGeneration } from "./fake-generation";
import { temporaryFolder } from "./temporary-folder";
import { testDatabase } from "./test-database";

export type ChatServer = AsyncDisposable & {
  db: Db;
  chat: ChatServices;
  dataFolder: string;
  /** On channel live. */
  checkpointId: string;
};

/** One per test at a time: routers find it in the process's state. */
export async function chatServer({
  home,
  slots = 4,
  pickBest = () => Promise.reject(new Error("Nothing is scored in this test.")),
}: {
  home?: DatabaseHome;
  slots?: number;
  pickBest?: PickBest;
} = {}): Promise<ChatServer> {
  const database = await testDatabase(home);
  const folder = await temporaryFolder();
  const { db } = database;
  const checkpointFolder = await writeFakeCheckpoint(folder.path, "fake-1");
  const checkpointId = await registerCheckpoint(db, checkpointFolder, folder.path);
  await writeChannel(db, { channel: "live", checkpointId, actorId: null, reason: "test" });
  const metrics = new Metrics();
  const generation = await fakeGeneration({
    slots,
    observer: metrics.observer,
    locate: (id) => locateCheckpoint(db, id, folder.path),
  });
  generation.openChannels(await readChannels(db));
  const answers = new Answers({
    generation,
    writer: new AnswerWriter(db, () => {}),
    pickBest,
    onError: () => {},
  });
  metrics.watch(generation, answers);
  const sampling = new BackgroundSampling({ db, generation, log, idleForMs: 50 });
  const chat: ChatServices = {
    generation,
    answers,
    changes: new ConversationChanges(),
    metrics,
    sampling,
    log,
  };
  Object.assign(processState(), { db, chat, phase: "serving" });
  return {
    db,
    chat,
    dataFolder: folder.path,
    checkpointId,
    async [Symbol.asyncDispose]() {
      await sampling[Symbol.asyncDispose]();
      await answers.interrupt(5_000);
      await generation[Symbol.asyncDispose]();
      Object.assign(processState(), { db: null, chat: null });
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** What a page shows after these updates. */
export function shownText(updates: AnswerUpdate[]): string {
  return updates.reduce((text, update) => {
    if (update.type === "snapshot") return update.text;
    if (update.type === "delta") return text + update.text;
    return update.type === "ended" ? update.message.content : text;
  }, "");
}

/** The text as it came by stream alone, without the message at the end. */
export function streamedText(updates: AnswerUpdate[]): string {
  return shownText(updates.filter(({ type }) => type !== "ended"));
}
