/** @file Content hashes of source files, so that a step runs again only when what it reads has changed. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { root } from "./project.mjs";

/** Weights and generated output: they are data to the build, never sources of it. */
const notSources = new Set(["node_modules", ".next", "dist", "data", "tiny", "__pycache__"]);

/**
 * sha256 over the paths and contents of the files under `entries`, in a stable order.
 * @param {string[]} entries files and folders relative to the project root; those that do not exist are left out
 */
export function contentHash(entries) {
  const hash = createHash("sha256");
  for (const entry of entries) {
    for (const file of listFiles(entry)) {
      hash.update(`${file}\0`);
      hash.update(
        createHash("sha256")
          .update(fs.readFileSync(path.join(root, file)))
          .digest(),
      );
    }
  }
  return hash.digest("hex");
}

/**
 * @param {string} entry
 * @returns {string[]}
 */
function listFiles(entry) {
  const stat = fs.statSync(path.join(root, entry), { throwIfNoEntry: false });
  if (!stat) return [];
  if (stat.isFile()) return [entry];
  return fs
    .readdirSync(path.join(root, entry))
    .filter((name) => !notSources.has(name))
    .sort()
    .flatMap((name) => listFiles(path.join(entry, name)));
}

/**
 * True when the step that writes `stampFile` last finished with this hash.
 * @param {string} stampFile
 * @param {string} hash
 */
export function isStamped(stampFile, hash) {
  try {
    return fs.readFileSync(stampFile, "utf8").trim() === hash;
  } catch {
    return false;
  }
}

/**
 * Written last and by rename: a step that was interrupted leaves no stamp and is done again.
 * @param {string} stampFile
 * @param {string} hash
 */
export function writeStamp(stampFile, hash) {
  fs.mkdirSync(path.dirname(stampFile), { recursive: true });
  fs.writeFileSync(`${stampFile}.tmp`, `${hash}\n`);
  fs.renameSync(`${stampFile}.tmp`, stampFile);
}
