/** @file The web process: pages, procedures, database and the engines behind them. Started by `npm start`. */
import { fileURLToPath } from "node:url";
import { DataFolderLockedError } from "@/server/db/data-folder-lock";
import { DatabaseVersionError } from "@/server/db/migrate-database";
import { DatabaseUnavailableError } from "@/server/db/open-database";
import { EnvironmentError, loadEnv, loadSettingsFile } from "@/server/env";
import { ensureModel } from "@/server/models/ensure-model";
import { ModelSourceError } from "@/server/models/model-report";
import { projectRoot } from "@/server/project-root";
import { announceReady } from "./serving/announce-ready";
import { prepareNext } from "./serving/prepare-next";
import { runServer } from "./serving/run-server";
import { stopSignal } from "./serving/stop-signal";

/** Their messages say what happened and what to do; a stack would bury that. */
const toldErrors = [
  DataFolderLockedError,
  DatabaseVersionError,
  DatabaseUnavailableError,
  EnvironmentError,
  ModelSourceError,
];

const stop = stopSignal();
try {
  loadSettingsFile(projectRoot);
  const env = loadEnv();
  await runServer(
    {
      env,
      engineEntry: fileURLToPath(new URL("./engine.js", import.meta.url)),
      scorerEntry: fileURLToPath(new URL("./scorer.js", import.meta.url)),
      trainer: { entry: fileURLToPath(new URL("./trainer.js", import.meta.url)) },
      findModel: () => ensureModel(env, { say: (line) => console.log(`  ${line}`), progress: () => {} }),
      preparePages: () => prepareNext(env),
      onReady: announceReady,
    },
    stop,
  );
  process.exit(0);
} catch (error) {
  const isTold = toldErrors.some((kind) => error instanceof kind);
  console.error(`\nAttune did not start: ${isTold && error instanceof Error ? error.message : ""}`);
  if (!isTold) console.error(error);
  process.exit(1);
}
