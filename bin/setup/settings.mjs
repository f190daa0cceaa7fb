/** @file What the scripts need to know before the typed environment (server/env.ts) can be compiled: where and on which port. */
import fs from "node:fs";
import path from "node:path";
import { inProject, root } from "./project.mjs";

/** Reads `.env`; what the environment already says wins. */
export function loadSettingsFile() {
  const file = inProject(".env");
  if (fs.existsSync(file)) process.loadEnvFile(file);
}

/** Absolute path of the data folder. */
export const dataFolder = () => path.resolve(root, process.env.ATTUNE_DATA || "data");

/** Output of the last run of each set-up step. @param {string} name */
export const logFile = (name) => path.join(dataFolder(), "logs", `${name}.log`);

export const listenPort = () => Number(process.env.PORT || 3000);
export const listenHost = () => process.env.HOST || "127.0.0.1";
