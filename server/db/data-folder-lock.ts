/** @file One process per data folder. */
import fs from "node:fs";
import path from "node:path";
import { describeHolder, type LockHolder, takeFolderLock } from "@/model/checkpoint/folder-lock";

/** Another process works in the data folder. The message names it and says what to do. */
export class DataFolderLockedError extends Error {
  override readonly name = "DataFolderLockedError";

  constructor(
    folder: string,
    readonly holder: LockHolder,
    file: string,
  ) {
    super(
      `${folder} is in use by ${describeHolder(holder)}. Two processes would lose each other's data. ` +
        `Stop that one first (kill ${holder.pid}), or point ATTUNE_DATA at another folder. ` +
        `Only if it certainly no longer runs: remove ${file}.`,
    );
  }
}

const foreignStaleMs = 60_000;

export const lockFile = (folder: string) => path.join(folder, "attune.lock");

/**
 * Takes the folder for this process until disposed.
 * @param purpose shown to whoever is refused: "server", "restore"
 * @throws {DataFolderLockedError} while another process that still runs (or this one) holds it
 */
export function lockDataFolder(folder: string, purpose: string): Disposable {
  fs.mkdirSync(folder, { recursive: true });
  const file = lockFile(folder);
  const refuse = (holder: LockHolder) => new DataFolderLockedError(folder, holder, file);
  return takeFolderLock({ file, purpose, foreignStaleMs, refuse });
}
