/** @file `next build`, only when something it reads has changed. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import { contentHash, isStamped, writeStamp } from "./content-hash.mjs";
import { inProject, root } from "./project.mjs";

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
 * @param {{ log?: string, signal?: AbortSignal }} [options] log: a file that receives the output instead of this terminal
 * @returns {Promise<boolean>} whether anything was built
 * @throws {Error} when the build fails; its output is in the log
 */
export async function buildPages({ log, signal } = {}) {
  const hash = staleMark();
  if (hash === null) return false;
  fs.rmSync(stampFile, { force: true });
  const output = log ? fs.openSync(log, "w") : "inherit";
  try {
    const code = await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ["node_modules/next/dist/bin/next", "build"], {
        cwd: root,
        env: { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" },
        stdio: ["ignore", output, output],
        signal,
      });
      child.on("error", reject).on("exit", resolve);
    });
    if (code !== 0) throw new Error(`next build ended with code ${code}.`);
  } finally {
    if (typeof output === "number") fs.closeSync(output);
  }
  writeStamp(stampFile, hash);
  return true;
}
