/** @file `npm start`: from a fresh clone to a running Attune. Needs nothing but Node; each step is skipped when nothing changed. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { buildProcesses } from "./build.mjs";
import { buildPages, staleMark } from "./setup/build-pages.mjs";
import { checkDataFolder, checkDisk, checkNode, checkPort } from "./setup/check-machine.mjs";
import { installPackages, packagesAreInstalled } from "./setup/install-packages.mjs";
import { distFolder, root } from "./setup/project.mjs";
import { runLogged, stopRunning } from "./setup/run-logged.mjs";
import { dataFolder, loadSettingsFile, logFile } from "./setup/settings.mjs";
import { explain, StepFailure, Steps } from "./setup/terminal.mjs";

const steps = new Steps();
const startedAt = Date.now();

try {
  checkNode();
  loadSettingsFile();
  checkDataFolder();
  checkDisk();
  await checkPort();
  leaveCleanlyOnSignals();
  await prepare();
  process.exitCode = await serve();
} catch (error) {
  stopRunning("SIGTERM");
  explain(error);
  process.exitCode = 1;
}

/** Everything up to the point where the server can be started. */
async function prepare() {
  console.log("\nAttune\n");
  if (!packagesAreInstalled()) await steps.run("Installing packages", installPackages);
  await steps.run("Compiling", compile);
  // The two long steps have nothing to do with each other: one waits for the network, the other computes.
  const pagesAreStale = staleMark() !== null;
  await Promise.all([
    pagesAreStale && steps.run("Building pages", buildPages),
    (pagesAreStale || !hasModel()) && steps.run("Getting a model", getModel),
  ]);
}

async function compile() {
  try {
    await buildProcesses();
  } catch (cause) {
    throw new StepFailure({
      failed: "The server does not compile.",
      safe: "your data folder was not touched.",
      remedy: "undo the change named above (`git diff`), then run `npm start` again.",
      log: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}

/** The server looks for its model itself; done here, a first start fetches it while the pages are built. */
async function getModel(/** @type {import("./setup/terminal.mjs").Progress} */ progress) {
  const log = logFile("model");
  const { code, tail } = await runLogged(
    process.execPath,
    ["--enable-source-maps", path.join(distFolder, "attune.js"), "models", "pull", "--progress"],
    {
      log,
      onLine: (line) => (line.startsWith("~ ") ? progress(line.slice(2)) : steps.say(`  ${line}`)),
    },
  );
  if (code !== 0) {
    throw new StepFailure({
      failed: "No model could be made ready.",
      safe: "what was downloaded so far is kept; the next start goes on from there.",
      remedy: `read the message above (all of it: ${log}), or name a model yourself: ATTUNE_MODEL=/path npm start`,
      log: tail,
    });
  }
}

/** Whether data/models holds anything whole: a manifest is written last. */
function hasModel() {
  const models = path.join(dataFolder(), "models");
  return (
    fs.existsSync(models) &&
    fs.readdirSync(models).some((name) => fs.existsSync(path.join(models, name, "attune.json")))
  );
}

/**
 * Runs the server in the foreground and passes signals on. It gets a process group of its own, because a terminal sends
 * Ctrl-C to the whole group and npm sends it again: the server would take the repetition for impatience.
 * @returns {Promise<number>} its exit code
 */
function serve() {
  console.log(`\n  Ready to serve after ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
  const child = spawn(process.execPath, ["--enable-source-maps", path.join(distFolder, "serve.js")], {
    cwd: root,
    env: { ...process.env, NODE_ENV: "production", ATTUNE_STARTED_AT: String(startedAt) },
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    detached: true,
  });
  let lastSignalAt = 0;
  onSignals((signal) => {
    const now = Date.now();
    if (now - lastSignalAt > 500) child.kill(signal === "SIGHUP" ? "SIGTERM" : signal);
    lastSignalAt = now;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      resolve(code ?? 128 + (os.constants.signals[signal ?? "SIGTERM"] ?? 0)),
    );
  });
}

/** Until the server runs, a signal ends the step in progress. */
function leaveCleanlyOnSignals() {
  onSignals((signal) => {
    stopRunning("SIGTERM");
    console.error("\n\n  Stopped. Nothing is half done: the next `npm start` goes on from here.");
    process.exit(128 + os.constants.signals[signal]);
  });
}

/** @param {(signal: NodeJS.Signals) => void} handler replaces the one before */
function onSignals(handler) {
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.removeAllListeners(signal);
    process.on(signal, handler);
  }
}
