/** @file One process per folder: a lock file that outlives nobody, not even a killed holder. */

import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import { z } from "zod";

const lockHolder = z.object({
  pid: z.int().positive(),
  /** Tells this process from a later one with the same pid. */
  startTime: z.string(),
  host: z.string(),
  purpose: z.string(),
  takenAt: z.string(),
  nonce: z.string(),
});
export type LockHolder = z.infer<typeof lockHolder>;

const heartbeatMs = 10_000;

export type FolderLock = {
  /** Put there, beside short-lived ones whose names begin with its own. Its folder must be there. */
  file: string;
  /** Shown to whoever is refused: "server", "restore", "sft". */
  purpose: string;
  /** Of a holder on another host nothing is known but when it last touched the file: after this long it is gone. */
  foreignStaleMs: number;
  /** What whoever comes second is told. */
  refuse: (holder: LockHolder) => Error;
};

/**
 * Takes the lock for this process until disposed.
 * @throws what `refuse` makes, while another process that still runs (or this one) holds it
 */
export function takeFolderLock({ file, purpose, foreignStaleMs, refuse }: FolderLock): Disposable {
  const own: LockHolder = {
    pid: process.pid,
    startTime: processStartTime(process.pid) ?? "unknown",
    host: os.hostname(),
    purpose,
    takenAt: new Date().toISOString(),
    nonce: randomUUID(),
  };
  while (!tryCreate(file, own)) {
    const holder = readHolder(file);
    if (holder === "gone") continue;
    if (holder !== "unreadable" && isAlive(file, holder, foreignStaleMs)) throw refuse(holder);
    removeStale(file, holder);
  }
  const heartbeat = setInterval(() => touch(file), heartbeatMs).unref();
  const release = () => {
    clearInterval(heartbeat);
    process.off("exit", release);
    const holder = readHolder(file);
    if (typeof holder === "object" && holder.nonce === own.nonce) fs.rmSync(file, { force: true });
  };
  process.on("exit", release);
  return { [Symbol.dispose]: release };
}

/** A hard link appears at once, with its content: nobody reads half a lock. */
function tryCreate(file: string, holder: LockHolder): boolean {
  const draft = `${file}.${holder.nonce}`;
  fs.writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 });
  try {
    fs.linkSync(draft, file);
    return true;
  } catch (error) {
    if (isCode(error, "EEXIST")) return false;
    throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function readHolder(file: string): LockHolder | "gone" | "unreadable" {
  try {
    return lockHolder.parse(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch (error) {
    return isCode(error, "ENOENT") ? "gone" : "unreadable";
  }
}

/** "process 71 on host b (sft, since …)"; the host only where it is another one. */
export function describeHolder({ pid, host, purpose, takenAt }: LockHolder): string {
  const place = host === os.hostname() ? "" : ` on ${host}`;
  return `process ${pid}${place} (${purpose}, since ${takenAt})`;
}

function isAlive(file: string, holder: LockHolder, foreignStaleMs: number): boolean {
  if (holder.host !== os.hostname()) return Date.now() - modifiedAt(file) < foreignStaleMs;
  const startTime = processStartTime(holder.pid);
  return startTime !== null && (holder.startTime === "unknown" || startTime === holder.startTime);
}

/** Moves the stale lock aside; whoever took a fresh one in between gets it back. */
function removeStale(file: string, stale: LockHolder | "unreadable"): void {
  const aside = `${file}.stale-${randomUUID()}`;
  try {
    fs.renameSync(file, aside);
  } catch (error) {
    if (isCode(error, "ENOENT")) return;
    throw error;
  }
  const moved = readHolder(aside);
  const isSame =
    stale === "unreadable"
      ? moved === "unreadable"
      : typeof moved === "object" && moved.nonce === stale.nonce;
  if (!isSame) fs.linkSync(aside, file);
  fs.rmSync(aside, { force: true });
}

/** A text that differs between two processes that had the same pid; null when none runs. */
export function processStartTime(pid: number): string | null {
  if (!isRunning(pid)) return null;
  try {
    if (process.platform === "linux") {
      // The name in parentheses may hold spaces: fields are counted after it. Field 22 is the start in clock ticks.
      const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      if (fields[0] === "Z") return null;
      return `${fields[19]} ${bootId()}`;
    }
    if (process.platform === "win32") return "unknown";
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    // Gone between the two looks, or the system hides it: the first answer stands.
    return isRunning(pid) ? "unknown" : null;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, "EPERM");
  }
}

function bootId(): string {
  return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function touch(file: string): void {
  const now = new Date();
  try {
    fs.utimesSync(file, now, now);
  } catch {
    // A failed heartbeat costs nothing on this host; another host sees the file age.
  }
}

function modifiedAt(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
