/** @file A child process of another one by the script it runs, from /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** Null: there is none just now. @param script its name, as in the command line */
export function childOf(parent: number | undefined, script: string): number | null {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, fields = ""] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
      if (fields.split(" ")[1] !== String(parent)) continue;
      if (readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(script)) return Number(pid);
    } catch {
      // It ended while it was looked at.
    }
  }
  return null;
}
