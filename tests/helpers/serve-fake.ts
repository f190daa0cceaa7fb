/**
 * @file The real server around the fake policy, as a process of its own: for tests that kill it, and for looking at pages.
 * `ATTUNE_DEV=1 PORT=4000 ATTUNE_DATA=/tmp/x npx tsx tests/helpers/serve-fake.ts`
 */
import path from "node:path";
import { announceReady } from "@/bin/serving/announce-ready";
import { prepareNext } from "@/bin/serving/prepare-next";
import { type Pages, runServer } from "@/bin/serving/run-server";
import { stopSignal } from "@/bin/serving/stop-signal";
import { loadEnv } from "@/server/env";
import { projectRoot } from "@/server/project-root";
import { compileFakeEngine, compileFakeScorer } from "./compile-fake-engine";
import { writeFakeCheckpoint } from "./fake-checkpoint";
import { handleRoutes } from "./route-handler";

const env = loadEnv();
const trainerUrl = process.env.TEST_TRAINER_URL;
const [pages] = process.argv.slice(2);
const routesOnly = async (): Promise<Pages> => ({ handle: handleRoutes });

await runServer(
  {
    env,
    engineEntry: await compileFakeEngine(env.ATTUNE_DATA),
    scorerEntry: await compileFakeScorer(env.ATTUNE_DATA),
    // Tests of training name the address at which the trainer is to reach this server, a proxy as a rule.
    trainer: trainerUrl ? { entry: path.join(projectRoot, "dist", "trainer.js"), url: trainerUrl } : null,
    findModel: async () => ({
      folder: await writeFakeCheckpoint(env.ATTUNE_DATA, "fake-1"),
      name: "fake-1",
      isToy: false,
    }),
    preparePages: pages === "routes" ? routesOnly : () => prepareNext(env),
    onReady: announceReady,
  },
  stopSignal(),
);
process.exit(0);
