/** @file data/server.json: where the running server is reached and the token that lets the command line in. */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { z } from "zod";

const serverFileSchema = z.object({
  pid: z.int().positive(),
  /** For programs on this machine: loopback where the server listens on all addresses. */
  url: z.url(),
  /** Bearer token of /api/control and /metrics. */
  token: z.string(),
  startedAt: z.iso.datetime(),
});

export type ServerFile = z.infer<typeof serverFileSchema>;

const fileOf = (dataFolder: string) => path.join(dataFolder, "server.json");

export const newControlToken = (): string => randomBytes(32).toString("base64url");

/** Readable by its owner only; replaced whole. */
export function writeServerFile(dataFolder: string, content: ServerFile): void {
  const file = fileOf(dataFolder);
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  fs.renameSync(draft, file);
}

/** Null when no server has said that it runs here. The process may have been killed since: ask it. */
export function readServerFile(dataFolder: string): ServerFile | null {
  try {
    return serverFileSchema.parse(JSON.parse(fs.readFileSync(fileOf(dataFolder), "utf8")));
  } catch {
    return null;
  }
}

export function removeServerFile(dataFolder: string): void {
  if (readServerFile(dataFolder)?.pid === process.pid) fs.rmSync(fileOf(dataFolder), { force: true });
}
