/** @file Writes a checkpoint folder so that it is there whole or not at all: temporary folder, fsync, manifest last, rename. */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { DiskFullError, isDiskFull, NotAModelError } from "./errors";
import { type FileDigest, syncFolder, writeFileDurably } from "./file-access";
import { type Manifest, manifestFileName, manifestSchema } from "./manifest";
import { type OutgoingTensor, writeSafetensors } from "./safetensors-writer";

/** Adds files to a checkpoint that is being written; each is fsynced and hashed. */
export type CheckpointFiles = {
  json(name: string, value: unknown): Promise<void>;
  bytes(name: string, chunks: Iterable<Uint8Array | string>): Promise<void>;
  tensors(name: string, tensors: readonly OutgoingTensor[]): Promise<void>;
};

export type CheckpointFacts = Omit<Manifest, "formatVersion" | "files">;

/**
 * Calls `fill` to write the files, then writes attune.json and renames the folder into place.
 * A failure or an abort leaves nothing behind; a crash leaves only a hidden `.<name>.<pid>.<random>.part` folder beside
 * it, which the next write to the same place removes.
 * @throws NotAModelError when `targetFolder` exists already, DiskFullError
 */
export async function writeCheckpoint(
  targetFolder: string,
  facts: CheckpointFacts,
  fill: (files: CheckpointFiles) => Promise<void>,
  signal?: AbortSignal,
): Promise<Manifest> {
  const parent = path.dirname(path.resolve(targetFolder));
  const prefix = `.${path.basename(targetFolder)}.`;
  const mark = `${process.pid}.${randomBytes(4).toString("hex")}`;
  const temporary = path.join(parent, `${prefix}${mark}.part`);
  await mkdir(parent, { recursive: true });
  await removeRemains(parent, prefix);
  await mkdir(temporary);
  try {
    const digests: Record<string, FileDigest> = {};
    const record = async (name: string, write: (file: string) => Promise<FileDigest>) => {
      signal?.throwIfAborted();
      const file = path.join(temporary, name);
      await mkdir(path.dirname(file), { recursive: true });
      digests[name] = await write(file);
      if (path.dirname(file) !== temporary) await syncFolder(path.dirname(file));
    };
    await fill({
      json: (name, value) => record(name, (file) => writeFileDurably(file, [toJson(value)], signal)),
      bytes: (name, chunks) => record(name, (file) => writeFileDurably(file, chunks, signal)),
      tensors: (name, tensors) => record(name, (file) => writeSafetensors(file, tensors, signal)),
    });
    const manifest = manifestSchema.parse({ formatVersion: 1, ...facts, files: sortKeys(digests) });
    await writeFileDurably(path.join(temporary, manifestFileName), [toJson(manifest)]);
    await syncFolder(temporary);
    await moveIntoPlace(temporary, targetFolder);
    await syncFolder(parent);
    return manifest;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (isDiskFull(error)) throw new DiskFullError(parent, { cause: error });
    throw error;
  }
}

/** Deletes what crashed processes left half written; a process that still runs is still writing. */
async function removeRemains(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const [, pid] = name.startsWith(prefix)
      ? (/^(\d+)\.[0-9a-f]{8}\.part$/.exec(name.slice(prefix.length)) ?? [])
      : [];
    if (pid !== undefined && !isRunning(Number(pid))) {
      await rm(path.join(parent, name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isErrorCode(error, "ESRCH");
  }
}

async function moveIntoPlace(temporary: string, targetFolder: string): Promise<void> {
  try {
    // An empty folder in the way is replaced; one with files is not.
    await rename(temporary, targetFolder);
  } catch (cause) {
    if (isErrorCode(cause, "ENOTEMPTY", "EEXIST", "ENOTDIR", "EPERM")) {
      throw new NotAModelError(
        targetFolder,
        "there is something else here",
        "Remove it or choose another name.",
        { cause },
      );
    }
    throw cause;
  }
}

function isErrorCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

const toJson = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** The same files give the same manifest and so the same id, in whatever order they were written. */
function sortKeys<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
