/** @file A PostgreSQL server for one test run: own folder, own port, gone afterwards. */
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { findProgram } from "./find-program.mjs";

/**
 * Durability is switched off: what it holds is thrown away.
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>} url of its `postgres` database
 * @throws {Error} with the server's own words when it does not start
 */
export async function startThrowawayPostgres() {
  const initdb = findProgram("initdb");
  if (!initdb) throw new Error("PostgreSQL's server is not installed.");
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "attune-postgres-"));
  const user = unprivilegedUser();
  if (user) fs.chownSync(folder, user.uid, user.gid);
  const data = path.join(folder, "data");
  const identity = { ...(user ?? {}), cwd: folder, env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" } };
  const made = spawnSync(
    initdb,
    ["-D", data, "-U", "attune", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"],
    { ...identity, encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr || made.error?.message}`);
  const port = await freePort();
  const settings = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200"];
  const server = spawn(
    path.join(path.dirname(fs.realpathSync(initdb)), "postgres"),
    ["-D", data, "-h", "127.0.0.1", "-p", String(port), "-k", folder, ...settings.flatMap((s) => ["-c", s])],
    { ...identity, stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  server.stderr.on("data", (chunk) => {
    said = (said + chunk).slice(-4000);
  });
  const ended = new Promise((resolve) => server.on("exit", resolve).on("error", resolve));
  const stop = async () => {
    server.kill("SIGINT");
    await ended;
    fs.rmSync(folder, { recursive: true, force: true });
  };
  for (let tries = 0; !(await accepts(port)) || !/ready to accept connections/.test(said); tries++) {
    if (server.exitCode !== null || tries > 150) {
      await stop();
      throw new Error(`PostgreSQL did not start: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { url: `postgres://attune@127.0.0.1:${port}/postgres`, stop };
}

/** PostgreSQL refuses to run as root. Null for anybody else: they run it as themselves. */
function unprivilegedUser() {
  if (process.getuid?.() !== 0) return null;
  for (const name of ["postgres", "nobody"]) {
    const line = fs
      .readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((entry) => entry.startsWith(`${name}:`));
    const [, , uid, gid] = (line ?? "").split(":");
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("There is no user `postgres` or `nobody` to run PostgreSQL as.");
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(address && typeof address === "object" ? address.port : 0));
    });
  });
}

/** @param {number} port @returns {Promise<boolean>} */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.end());
  });
}
