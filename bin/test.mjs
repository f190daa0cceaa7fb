/** @file `npm test`: everything but the PyTorch group, from a fresh clone on. Installs what is missing, ends with a count. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { buildProcesses } from "./build.mjs";
import { buildPages } from "./setup/build-pages.mjs";
import { checkDataFolder, checkDisk, checkNode } from "./setup/check-machine.mjs";
import { installPackages, packagesAreInstalled } from "./setup/install-packages.mjs";
import { installPrograms, missingPrograms } from "./setup/install-programs.mjs";
import { distFolder, inProject, root } from "./setup/project.mjs";
import { runLogged, stopRunning } from "./setup/run-logged.mjs";
import { logFile } from "./setup/settings.mjs";
import { explain, StepFailure, Steps } from "./setup/terminal.mjs";
import { startThrowawayPostgres } from "./setup/throwaway-postgres.mjs";

const vitestTiers = ["unit", "numeric", "integration", "e2e"];

/** More files than this are no accident of one moment. */
const mostRepeated = 2;

/** @type {(() => Promise<void>)[]} what must be undone at the end, newest first */
const cleanups = [];
/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, async () => {
    stopRunning("SIGTERM");
    for (const child of running) child.kill("SIGTERM");
    await cleanUp();
    process.exit(128 + os.constants.signals[signal]);
  });
}

try {
  checkNode();
  checkDataFolder();
  checkDisk();
  const environment = await prepare();
  const groups = await runGroups(environment);
  report(groups);
} catch (error) {
  explain(error);
  console.log("\n0 passed, 1 failed");
  process.exitCode = 1;
} finally {
  await cleanUp();
}

/** @returns {Promise<NodeJS.ProcessEnv>} what the tests find in their environment */
async function prepare() {
  const steps = new Steps();
  console.log("\nGetting ready\n");
  if (!packagesAreInstalled()) await steps.run("Installing packages", installPackages);
  if (missingPrograms().length > 0) {
    await steps.run(`Installing ${missingPrograms().join(", ")}`, installPrograms);
  }
  await steps.run("Compiling", () => buildProcesses());
  await Promise.all([steps.run("Building pages", buildPages), steps.run("Getting a model", pullModel)]);
  const postgres = await steps.run("Starting PostgreSQL", startThrowawayPostgres);
  cleanups.unshift(postgres.stop);
  return { ...process.env, TEST_DATABASE_URL: postgres.url };
}

/** The one the committed fixtures were made from: other weights of the same model give other logits. */
async function pullModel() {
  const log = logFile("model");
  const { code, tail } = await runLogged(
    process.execPath,
    [
      "--enable-source-maps",
      path.join(distFolder, "attune.js"),
      "models",
      "pull",
      "SmolLM2-135M-Instruct-Q4_1",
    ],
    { log },
  );
  if (code === 0) return;
  throw new StepFailure({
    failed: "No model could be made ready.",
    remedy: `read the message above (all of it: ${log}).`,
    log: tail,
  });
}

/**
 * What one group came to. `failures` names each failed test with the first line of what it said.
 * @typedef {{ passed: number, failed: number, repeated?: string[], failures?: string[] }} Outcome
 * @typedef {Outcome & { name: string, seconds: number }} Group
 */

/**
 * All groups run, also after one failed.
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<Group[]>}
 */
async function runGroups(environment) {
  const groups = [];
  for (const script of ["types", "lint", "format:check"]) {
    groups.push(await timed(script, () => runScript(script, environment)));
  }
  for (const tier of vitestTiers) groups.push(await timed(tier, () => runTier(tier, environment)));
  return groups;
}

/**
 * @param {string} name
 * @param {() => Promise<Outcome>} run
 * @returns {Promise<Group>}
 */
async function timed(name, run) {
  console.log(`\n── ${name} ${"─".repeat(Math.max(0, 70 - name.length))}\n`);
  const startedAt = Date.now();
  return { name, ...(await run()), seconds: (Date.now() - startedAt) / 1000 };
}

/** @param {string} script @param {NodeJS.ProcessEnv} environment @returns {Promise<Outcome>} */
async function runScript(script, environment) {
  const npm = process.env.npm_execpath;
  const code = npm?.match(/\.c?js$/)
    ? await runHere(process.execPath, [npm, "run", "-s", script], environment)
    : await runHere("npm", ["run", "-s", script], environment);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, failures: [`npm run ${script}`] };
}

/**
 * A file of journeys that failed runs once more, by itself and from its start, and what it says then counts: a browser, a server
 * and a trainer share two cores there. The summary names it, and its first failure is printed in full.
 * @param {string} tier
 * @param {NodeJS.ProcessEnv} environment
 */
async function runTier(tier, environment) {
  const first = await runVitest(tier, [], environment);
  const again = first.failedFiles;
  if (tier !== "e2e" || again.length === 0 || again.length > mostRepeated) return first;
  console.log(`\nOnce more, from the start: ${again.map(({ name }) => name).join(", ")}\n`);
  const second = await runVitest(
    tier,
    again.map(({ name }) => name),
    environment,
  );
  const passedBefore = again.reduce((sum, { passed }) => sum + passed, 0);
  return {
    passed: first.passed - passedBefore + second.passed,
    failed: second.failed,
    failures: second.failures,
    repeated: again.map(({ name }) => path.relative(root, name)),
  };
}

/**
 * Counts from vitest's own report; a run that ends badly without a failed test still counts as one failure.
 * @param {string} tier
 * @param {string[]} files none: all
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<Outcome & { failedFiles: FailedFile[] }>}
 */
async function runVitest(tier, files, environment) {
  const file = path.join(os.tmpdir(), `attune-${tier}-${process.pid}.json`);
  const code = await runHere(
    process.execPath,
    [
      inProject("node_modules", "vitest", "vitest.mjs"),
      ...["run", "--project", tier, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
      // Each file of the last tier starts servers with models in them: one at a time.
      ...(tier === "e2e" ? ["--no-file-parallelism"] : []),
      ...files,
    ],
    environment,
  );
  const report = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {};
  fs.rmSync(file, { force: true });
  const failed = report.numFailedTests ?? 0;
  const failedFiles = failedFilesOf(report);
  return {
    passed: report.numPassedTests ?? 0,
    failed: code !== 0 && failed === 0 ? 1 : failed,
    failures: failedFiles.flatMap(({ failures }) => failures),
    failedFiles,
  };
}

/**
 * @typedef {{ name: string, passed: number, failures: string[] }} FailedFile
 * @typedef {{ fullName: string, status: string, failureMessages?: string[] }} TestReport
 * @typedef {{ name: string, status: string, message?: string, assertionResults: TestReport[] }} FileReport
 * @param {{ testResults?: FileReport[] }} report vitest's, in Jest's layout
 * @returns {FailedFile[]}
 */
function failedFilesOf({ testResults = [] }) {
  return testResults
    .filter(({ status }) => status === "failed")
    .map((file) => ({
      name: file.name,
      passed: file.assertionResults.filter(({ status }) => status === "passed").length,
      failures: failuresOf(file),
    }));
}

/**
 * A file that could not even be read has a message of its own and no failed test.
 * @param {FileReport} file
 * @returns {string[]}
 */
function failuresOf({ name, message, assertionResults }) {
  const file = path.relative(root, name);
  const failed = assertionResults.filter(({ status }) => status === "failed");
  if (failed.length === 0) return [`${file}: ${firstLine(message)}`];
  return failed.map(
    ({ fullName, failureMessages }) => `${file}: ${fullName}: ${firstLine(failureMessages?.[0])}`,
  );
}

function firstLine(text = "") {
  return text.split("\n", 1)[0];
}

/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<number>} */
function runHere(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
    running.add(child);
    child.on("error", () => resolve(127));
    child.on("exit", (code) => {
      running.delete(child);
      resolve(code ?? 1);
    });
  });
}

/** @param {Group[]} groups */
function report(groups) {
  console.log(`\n── summary ${"─".repeat(63)}\n`);
  for (const { name, passed, failed, seconds, repeated = [] } of groups) {
    const counts = `${String(passed).padStart(5)} passed ${String(failed).padStart(4)} failed`;
    console.log(`${failed > 0 ? "✖" : "✔"} ${name.padEnd(14)}${counts} ${seconds.toFixed(1).padStart(8)} s`);
    for (const file of repeated)
      console.log(`  ${file} failed, and ran once more: see its first failure above.`);
  }
  const passed = groups.reduce((sum, group) => sum + group.passed, 0);
  const failed = groups.reduce((sum, group) => sum + group.failed, 0);
  // Last, and so within what is kept of a long log.
  for (const failure of groups.flatMap(({ failures = [] }) => failures)) console.log(`FAILED ${failure}`);
  console.log("\nLeft out: what needs PyTorch. Run it with: npm run test:torch");
  console.log(`\n${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

async function cleanUp() {
  for (const undo of cleanups.splice(0)) await undo();
}
