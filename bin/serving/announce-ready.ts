/** @file Says that people can come: in words, and as one line of JSON for programs. */
import type { Ready } from "./run-server";

/** The JSON line begins with `{"attune":"ready"`; nothing else on standard output does. */
export function announceReady({ url, setupUrl }: Ready): void {
  const startedAt = Number(process.env.ATTUNE_STARTED_AT) || Date.now() - process.uptime() * 1000;
  const startSeconds = Math.round((Date.now() - startedAt) / 100) / 10;
  console.log(`\n  Attune is ready: ${url}   (${startSeconds} s)`);
  if (setupUrl) console.log(`\n  First, make the admin's account (the link works once): ${setupUrl}`);
  console.log("\n  Ctrl-C stops it.\n");
  console.log(JSON.stringify({ attune: "ready", url, setupUrl, pid: process.pid, startSeconds }));
}
