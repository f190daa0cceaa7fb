/**
 * @file Huge pages for processes that train. A step hands over hundreds of megabytes in fresh memory, and 4 kB at a time the kernel
 * takes longer for the pages than the copy does (model/LOG.md). Without glibc (musl, macOS, Windows) nothing changes.
 */
import { spawn } from "node:child_process";
import os from "node:os";

const tunable = "glibc.malloc.hugetlb";
const { GLIBC_TUNABLES: own } = process.env;

/** The environment of such a process; glibc reads it once, at its start. What was set by hand stays. */
export const hugePages = {
  GLIBC_TUNABLES: own?.includes(tunable) ? own : [own, `${tunable}=1`].filter(Boolean).join(":"),
};

/**
 * Runs this very command in a process with huge pages, and takes over its exit code.
 * @returns {Promise<boolean>} false: this process has them already, or cannot have them; do the work here
 */
export async function runWithHugePages() {
  if (process.platform !== "linux" || own?.includes(tunable)) return false;
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, ...hugePages },
  });
  // A terminal sends Ctrl-C to both; this one stays until the other has saved. Anything else sends its signal to this one alone.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  /** @type {[number | null, NodeJS.Signals | null]} */
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (...end) => resolve(end));
  });
  process.exitCode = code ?? 128 + os.constants.signals[signal ?? "SIGKILL"];
  return true;
}
