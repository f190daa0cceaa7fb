/** @file Programs the tests drive, looked for where systems usually have them. */
import fs from "node:fs";
import path from "node:path";

const usual = {
  chromium: [
    process.env.CHROMIUM_PATH,
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
  ],
  // Debian keeps the servers of each version out of the path.
  initdb: ["initdb", ...versioned("/usr/lib/postgresql", "bin/initdb")],
  nginx: ["nginx", "/usr/sbin/nginx"],
  openssl: ["openssl"],
  pip: ["pip", "pip3", "uvx"],
};

/** @typedef {keyof typeof usual} Program */

/**
 * Absolute path of a program, or null.
 * @param {Program} name
 */
export function findProgram(name) {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  for (const candidate of usual[name]) {
    if (!candidate) continue;
    const files = path.isAbsolute(candidate)
      ? [candidate]
      : folders.map((folder) => path.join(folder, candidate));
    const found = files.find(isExecutable);
    if (found) return found;
  }
  return null;
}

/**
 * Newest version first.
 * @param {string} folder
 * @param {string} inside
 */
function versioned(folder, inside) {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => path.join(folder, version, inside));
}

/** @param {string} file */
function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
