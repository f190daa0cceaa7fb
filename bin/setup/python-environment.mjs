/** @file A Python environment outside the clone with the pinned packages of a requirements file, made once per content of it. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { contentHash, isStamped, writeStamp } from "./content-hash.mjs";
import { inProject } from "./project.mjs";
import { runLogged } from "./run-logged.mjs";
import { logFile } from "./settings.mjs";
import { StepFailure } from "./terminal.mjs";

const requirements = path.join("tests", "torch", "requirements.txt");
/** PyTorch as the package index carries it brings its GPU libraries along, wanted or not. */
const neededBytes = 9e9;

/** ATTUNE_TORCH_VENV, or a folder of the user's cache. */
const environmentFolder = () =>
  path.resolve(process.env.ATTUNE_TORCH_VENV || path.join(os.homedir(), ".cache", "attune", "torch-venv"));

/**
 * Makes it if it is not there, installs what changed, and does nothing when nothing did. An interrupted install is
 * taken up again.
 * @param {import("./terminal.mjs").Progress} progress
 * @returns {Promise<string>} its Python
 * @throws {StepFailure}
 */
export async function makePythonEnvironment(progress) {
  const folder = environmentFolder();
  const python = path.join(folder, "bin", "python");
  const stamp = path.join(folder, ".attune-stamp");
  const mark = contentHash([requirements]);
  if (fs.existsSync(python) && isStamped(stamp, mark)) return python;
  checkRoom(folder);
  fs.rmSync(stamp, { force: true });
  if (!hasPip(python)) await createEnvironment(folder);
  await installRequirements(python, folder, progress);
  writeStamp(stamp, mark);
  return python;
}

/** @param {string} python */
const hasPip = (python) => spawnSync(python, ["-m", "pip", "--version"]).status === 0;

/** @param {string} folder */
function checkRoom(folder) {
  fs.mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = fs.statfsSync(folder);
  if (bavail * bsize >= neededBytes || hasPip(path.join(folder, "bin", "python"))) return;
  throw new StepFailure({
    failed: `${folder} has ${gigabytes(bavail * bsize)} GB free; PyTorch and what it brings need ${gigabytes(neededBytes)}.`,
    safe: "nothing was installed.",
    remedy: "free some space, or name a folder on another disk: ATTUNE_TORCH_VENV=/path npm run test:torch",
  });
}

/** @param {number} bytes */
const gigabytes = (bytes) => (bytes / 1e9).toFixed(1);

/** @param {string} folder */
async function createEnvironment(folder) {
  const create = () =>
    runLogged("python3", ["-m", "venv", "--clear", folder], { log: logFile("torch-venv") });
  let { code, tail } = await create();
  // Debian's Python comes without venv: its package brings it.
  if (code !== 0 && (await installVenvPackage())) ({ code, tail } = await create());
  if (code === 0) return;
  throw new StepFailure({
    failed: `No Python environment could be made in ${folder}.`,
    safe: "nothing else was changed.",
    remedy:
      "install Python 3.10 or newer with venv (Debian and Ubuntu: `apt-get install python3-venv`), or run this as root there.",
    log: tail,
  });
}

/** @returns {Promise<boolean>} whether it was installed */
async function installVenvPackage() {
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).status !== 0) return false;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "python3-venv"]]) {
    const { code } = await runLogged("apt-get", ["-q", ...args], { log: logFile("apt-get-venv"), env });
    if (code !== 0) return false;
  }
  return true;
}

/** @param {string} python @param {string} folder @param {import("./terminal.mjs").Progress} progress */
async function installRequirements(python, folder, progress) {
  const log = logFile("torch-pip");
  const { code, tail } = await runLogged(
    python,
    ["-m", "pip", "install", "--no-input", "--progress-bar", "off", "-r", inProject(requirements)],
    {
      log,
      onLine: (line) => {
        const [, name] = /^(?:Collecting|Downloading|Using cached) (\S+)/.exec(line) ?? [];
        if (name) progress(name);
        if (line.startsWith("Installing collected packages")) progress("unpacking");
      },
    },
  );
  if (code === 0) return;
  throw new StepFailure({
    failed: "The Python packages could not be installed.",
    safe: `${folder} is taken up again at the next run.`,
    remedy: `check that this machine reaches the Python package index (or its proxy). The whole output: ${log}`,
    log: tail,
  });
}
