/** @file Compiles every process (bin/*.ts) and benchmark (bench/*.ts) with esbuild into dist/; npm packages stay outside. */
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { contentHash, isStamped, writeStamp } from "./setup/content-hash.mjs";
import { distFolder, inProject, root } from "./setup/project.mjs";

const sources = ["bin", "bench", "server", "model", "drizzle/schema", "package-lock.json", "tsconfig.json"];
const stampFile = path.join(distFolder, ".stamp");

/**
 * Brings dist/ up to date; does nothing when no source changed since the last complete build.
 * An entry that does not compile loses its old output, so that nobody runs a stale process, and keeps no other from compiling.
 * @returns {Promise<boolean>} whether anything was compiled
 * @throws {Error} with esbuild's messages, naming file and line
 */
export async function buildProcesses() {
  const hash = contentHash(sources);
  if (isStamped(stampFile, hash)) return false;
  fs.rmSync(stampFile, { force: true });
  removeOldChunks();
  const { build } = await import("esbuild");
  const entries = ["bin", "bench"].flatMap((folder) =>
    fs
      .readdirSync(inProject(folder))
      .filter((name) => name.endsWith(".ts"))
      .map((name) => path.join(folder, name)),
  );
  const results = await Promise.allSettled(
    entries.map((entry) => {
      fs.rmSync(path.join(distFolder, outputName(entry)), { force: true });
      return build({
        absWorkingDir: root,
        entryPoints: [{ in: entry, out: outputName(entry).replace(/\.js$/, "") }],
        outdir: distFolder,
        bundle: true,
        // What is imported on demand stays apart, so that a command loads only the packages it needs.
        splitting: true,
        chunkNames: "chunks/[name]-[hash]",
        packages: "external",
        platform: "node",
        format: "esm",
        target: "node20",
        sourcemap: true,
        logLevel: "silent",
      });
    }),
  );
  const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  if (errors.length > 0) throw new Error(errors.map((error) => error.message).join("\n"));
  writeStamp(stampFile, hash);
  return true;
}

/** A server that still runs may yet ask for the chunks of its own version: old ones go only after a week. */
function removeOldChunks() {
  const folder = path.join(distFolder, "chunks");
  if (!fs.existsSync(folder)) return;
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    if (Date.now() - fs.statSync(file).mtimeMs > 7 * 86_400_000) fs.rmSync(file);
  }
}

/**
 * bin/serve.ts -> serve.js, bench/chat.ts -> bench/chat.js
 * @param {string} entry
 */
function outputName(entry) {
  return entry.replace(/^bin\//, "").replace(/\.ts$/, ".js");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    console.log((await buildProcesses()) ? "Compiled dist/." : "dist/ is up to date.");
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
