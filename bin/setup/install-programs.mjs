/** @file Installs the programs the tests drive from Debian's packages, where this user may; else says what to install. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { findProgram } from "./find-program.mjs";
import { runLogged } from "./run-logged.mjs";
import { logFile } from "./settings.mjs";
import { StepFailure } from "./terminal.mjs";

/** @type {Record<import("./find-program.mjs").Program, string[]>} */
const debianPackages = {
  chromium: ["chromium", "fonts-liberation"],
  initdb: ["postgresql"],
  nginx: ["nginx"],
  openssl: ["openssl"],
  pip: ["python3-pip"],
};

const programs = /** @type {import("./find-program.mjs").Program[]} */ (Object.keys(debianPackages));

export const missingPrograms = () => programs.filter((program) => findProgram(program) === null);

/** @throws {StepFailure} when something is missing and cannot be installed from here */
export async function installPrograms() {
  const missing = missingPrograms();
  const packages = missing.flatMap((program) => debianPackages[program]);
  const prefix = rootPrefix();
  if (prefix === null || spawnSync("apt-get", ["--version"]).status !== 0) throw tellToInstall(missing);
  const log = logFile("apt-get");
  const allowServices = holdServicesBack(prefix);
  try {
    for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
      const [command = "apt-get", ...rest] = [...prefix, "apt-get", "-q", ...args];
      const { code, tail } = await runLogged(command, rest, {
        log,
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      });
      if (code !== 0) throw tellToInstall(missing, tail);
    }
  } finally {
    allowServices();
  }
  if (missingPrograms().length > 0) throw tellToInstall(missingPrograms());
}

/** How to become root: nothing to add, sudo without a password, or null. @returns {string[] | null} */
function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  return spawnSync("sudo", ["-n", "true"]).status === 0 ? ["sudo", "-n"] : null;
}

/**
 * Debian starts the services of what it installs; the tests want the programs alone.
 * @param {string[]} prefix
 * @returns {() => void} puts things back
 */
function holdServicesBack(prefix) {
  const policy = "/usr/sbin/policy-rc.d";
  if (prefix.length > 0 || fs.existsSync(policy)) return () => {};
  fs.writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  return () => fs.rmSync(policy, { force: true });
}

/** @param {string[]} missing @param {string} [log] */
function tellToInstall(missing, log = "") {
  return new StepFailure({
    failed: `The tests need ${missing.join(", ")}, which this machine lacks.`,
    safe: "nothing else was changed.",
    remedy:
      "install Chromium, PostgreSQL 15 or newer (server), nginx, openssl and Python's pip, or run this as root on Debian or Ubuntu. " +
      "CHROMIUM_PATH names a browser in an unusual place.",
    log,
  });
}
