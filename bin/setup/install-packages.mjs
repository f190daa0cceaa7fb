/** @file `npm ci`, only when the lockfile differs from what node_modules was installed from. */
import fs from "node:fs";
import { contentHash, isStamped, writeStamp } from "./content-hash.mjs";
import { inProject } from "./project.mjs";
import { runLogged } from "./run-logged.mjs";
import { logFile } from "./settings.mjs";
import { StepFailure } from "./terminal.mjs";

const stampFile = inProject("node_modules", ".attune-stamp");
const mark = () => contentHash(["package-lock.json", ".npmrc"]);

export const packagesAreInstalled = () => isStamped(stampFile, mark());

/**
 * The stamp goes first and comes back last, so an interrupted install is done again.
 * @throws {StepFailure} with the end of npm's output
 */
export async function installPackages() {
  fs.rmSync(stampFile, { force: true });
  const { code } = await runNpm(["ci", "--prefer-offline", "--no-audit", "--no-fund"]);
  if (code !== 0) {
    const said = firstErrors();
    throw new StepFailure({
      failed: "The packages could not be installed.",
      safe: "your data folder was not touched; the next start installs again from the beginning.",
      remedy: `${remedyFor(said)} The whole output: ${logFile("npm-ci")}`,
      log: said,
    });
  }
  writeStamp(stampFile, mark());
}

/** @param {string[]} args */
function runNpm(args) {
  const options = { log: logFile("npm-ci"), env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" } };
  const npmScript = process.env.npm_execpath;
  return npmScript?.match(/\.c?js$/)
    ? runLogged(process.execPath, [npmScript, ...args], options)
    : runLogged("npm", args, options);
}

/** npm says what went wrong first and then, at length, how it may be called. */
function firstErrors() {
  const lines = fs.readFileSync(logFile("npm-ci"), "utf8").split("\n");
  return lines
    .filter((line) => line.startsWith("npm error"))
    .slice(0, 12)
    .join("\n");
}

/** @param {string} output of npm */
function remedyFor(output) {
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ECONNRESET|network/i.test(output)) {
    return "check that this machine reaches the npm registry (or its proxy), then run `npm start` again.";
  }
  if (/ENOSPC|no space left/i.test(output)) return "free some disk space, then run `npm start` again.";
  if (/EACCES|EPERM/.test(output)) return "give this user the right to write in the project folder.";
  if (/in sync/.test(output)) return "package.json and package-lock.json disagree: run `npm install` once.";
  return "read npm's message above, then run `npm start` again.";
}
