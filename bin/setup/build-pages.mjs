/** @file `next build`, only when something it reads has changed. */
import fs from "node:fs";
import { contentHash, isStamped, writeStamp } from "./content-hash.mjs";
import { inProject } from "./project.mjs";
import { runLogged } from "./run-logged.mjs";
import { logFile } from "./settings.mjs";
import { StepFailure } from "./terminal.mjs";

const sources = [
  "app",
  "server",
  "model",
  "drizzle",
  "proxy.ts",
  "instrumentation.ts",
  "next.config.js",
  "postcss.config.mjs",
  "tsconfig.json",
  "package-lock.json",
];
const stampFile = inProject(".next", "attune-stamp");

/** The hash of what the pages are made of, or null when .next/ already holds exactly that. */
export function staleMark() {
  const hash = contentHash(sources);
  return isStamped(stampFile, hash) ? null : hash;
}

/**
 * Brings .next/ up to date; does nothing when no source changed since the last complete build.
 * @returns {Promise<boolean>} whether anything was built
 * @throws {StepFailure} with the end of the build's output
 */
export async function buildPages() {
  const hash = staleMark();
  if (hash === null) return false;
  fs.rmSync(stampFile, { force: true });
  const log = logFile("next-build");
  const { code, tail } = await runLogged(process.execPath, ["node_modules/next/dist/bin/next", "build"], {
    log,
    env: { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" },
  });
  if (code !== 0) {
    throw new StepFailure({
      failed: "The pages could not be built.",
      safe: "no data was touched; the next start builds again.",
      remedy: `read the messages above (all of them: ${log}), then run the command again.`,
      log: tail,
    });
  }
  writeStamp(stampFile, hash);
  return true;
}
