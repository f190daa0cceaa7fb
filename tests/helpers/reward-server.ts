/** @file The scoring services of one process over a test database and the fake scorer, with a registered reward model. */
import type { Manifest } from "@/model/checkpoint/manifest";
import type { Db } from "@/server/db/db";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { log } from "@/server/log";
import { processState } from "@/server/process-state";
import { type ScoringServices, startScoring } from "@/server/scoring/scoring-services";
import { compileFakeScorer } from "./compile-fake-engine";
import { writeFakeCheckpoint } from "./fake-checkpoint";
import { temporaryFolder } from "./temporary-folder";
import { testEnv } from "./test-context";
import { testDatabase } from "./test-database";

export type RewardServer = AsyncDisposable & {
  db: Db;
  services: ScoringServices;
  dataFolder: string;
  /** @returns its id */
  addCheckpoint: (name: string, fields?: Partial<Manifest>) => Promise<string>;
  /** For callers: its data folder. */
  env: ReturnType<typeof testEnv>;
};

/** One per test at a time: routers find it in the process's state. */
export async function rewardServer({
  idleMs = 60_000,
  rankingsEveryMs = 30_000,
  doubtsIdleMs = 60_000,
  variables = {} as Record<string, string>,
} = {}): Promise<RewardServer> {
  const database = await testDatabase();
  const folder = await temporaryFolder();
  const { db } = database;
  const services = startScoring({
    db,
    env: testEnv({ ATTUNE_DATA: folder.path, ...variables }),
    log,
    scorerEntry: await compileFakeScorer(folder.path),
    idleMs,
    rankingsEveryMs,
    doubtsIdleMs,
  });
  Object.assign(processState(), { db, scoring: services, phase: "serving" });
  return {
    db,
    services,
    dataFolder: folder.path,
    env: testEnv({ ATTUNE_DATA: folder.path, ...variables }),
    addCheckpoint: async (name, fields = {}) =>
      registerCheckpoint(
        db,
        await writeFakeCheckpoint(folder.path, name, { stage: "reward", ...fields }),
        folder.path,
      ),
    async [Symbol.asyncDispose]() {
      await services[Symbol.asyncDispose]();
      Object.assign(processState(), { db: null, scoring: null });
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
