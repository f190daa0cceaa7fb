/** @file Files and folders that are whole or not there, also after power loss. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";

/** sha256 of a file's bytes, as hex. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest("hex");
}

/** Forces a file's or folder's content to the disk. */
export async function syncToDisk(fileOrFolder: string): Promise<void> {
  const handle = await fs.open(fileOrFolder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Lets `write` make a file or folder under a temporary name beside `target`, then gives it its name. What fails on the
 * way leaves nothing behind.
 */
export async function writeDurably(target: string, write: (draft: string) => Promise<void>): Promise<void> {
  // Two who write the same target at once each make their own.
  const draft = `${target}.partial-${randomUUID()}`;
  await fs.mkdir(path.dirname(target), { recursive: true });
  try {
    await write(draft);
    await syncToDisk(draft);
    await fs.rename(draft, target);
    await syncToDisk(path.dirname(target));
  } catch (error) {
    await fs.rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Paths of all files below a folder, relative to it, with `/`, in order. A folder that is not there has none. */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await fs
    .readdir(folder, { recursive: true, withFileTypes: true })
    .catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .sort();
}
