/** @file What must hold before anything is installed: Node, disk, a writable data folder, a free port. */
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { inProject, root } from "./project.mjs";
import { dataFolder, listenHost, listenPort } from "./settings.mjs";
import { StepFailure } from "./terminal.mjs";

const oldestNode = [20, 19];
/** Packages 1.0 GB, model and its serving form 0.9 GB, pages 0.2 GB, and room to work. */
const firstStartBytes = 3e9;
const laterStartBytes = 0.3e9;

export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [needMajor = 0, needMinor = 0] = oldestNode;
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return;
  throw new StepFailure({
    failed: `This is Node ${process.versions.node}; Attune needs ${oldestNode.join(".")} or newer.`,
    safe: "nothing was changed.",
    remedy: "install a current Node (https://nodejs.org) and run `npm start` again.",
  });
}

/** @throws {StepFailure} when the disk of the project or of the data folder is too full */
export function checkDisk() {
  const needed = fs.existsSync(inProject("node_modules", ".attune-stamp"))
    ? laterStartBytes
    : firstStartBytes;
  for (const folder of new Set([root, nearestExisting(dataFolder())])) {
    const { bavail, bsize } = fs.statfsSync(folder);
    if (bavail * bsize >= needed) continue;
    throw new StepFailure({
      failed: `${gigabytes(bavail * bsize)} free at ${folder}; this start needs ${gigabytes(needed)}.`,
      safe: "nothing was changed.",
      remedy: "free some space, or name a data folder on another disk: ATTUNE_DATA=/path npm start",
    });
  }
}

/** @throws {StepFailure} when nothing can be written where Attune keeps its data */
export function checkDataFolder() {
  const folder = dataFolder();
  const probe = path.join(folder, `.probe-${process.pid}`);
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(probe, "");
    fs.rmSync(probe);
  } catch (cause) {
    throw new StepFailure({
      failed: `The data folder ${folder} cannot be written to: ${cause instanceof Error ? cause.message : cause}`,
      safe: "nothing was changed.",
      remedy: "give this user the right to write there, or name another folder: ATTUNE_DATA=/path npm start",
      cause,
    });
  }
}

/** @throws {StepFailure} when the port is taken: better said now than after minutes of set-up */
export async function checkPort() {
  const port = listenPort();
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new StepFailure({
      failed: `PORT is "${process.env.PORT}", which is no port number.`,
      safe: "nothing was changed.",
      remedy: "set PORT to a number from 1 to 65535.",
    });
  }
  const host = listenHost();
  const problem = await tryListening(port, host);
  if (problem === null) return;
  throw new StepFailure({
    failed: portMessage(problem, port, host),
    safe: "nothing was changed.",
    remedy: `stop what listens there, or choose another port: PORT=${port + 1} npm start`,
  });
}

/**
 * @param {NodeJS.ErrnoException} problem
 * @param {number} port
 * @param {string} host
 */
function portMessage(problem, port, host) {
  const own = runningServer();
  if (problem.code === "EADDRINUSE" && own)
    return `Attune already runs here: ${own.url} (process ${own.pid}).`;
  if (problem.code === "EADDRINUSE") return `Port ${port} on ${host} is in use.`;
  return `Port ${port} on ${host} cannot be opened: ${problem.message}`;
}

/**
 * @param {number} port
 * @param {string} host
 * @returns {Promise<NodeJS.ErrnoException | null>}
 */
function tryListening(port, host) {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once("error", resolve);
    probe.listen(port, host, () => probe.close(() => resolve(null)));
  });
}

/** What data/server.json says of a server that lives. */
function runningServer() {
  try {
    const server = JSON.parse(fs.readFileSync(path.join(dataFolder(), "server.json"), "utf8"));
    process.kill(server.pid, 0);
    return server;
  } catch {
    return null;
  }
}

/** @param {string} folder */
function nearestExisting(folder) {
  let at = folder;
  while (!fs.existsSync(at)) at = path.dirname(at);
  return at;
}

/** @param {number} bytes */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;
