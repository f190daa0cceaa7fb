/** @file Backups: database, artifacts and secrets as one consistent set in one folder, every file with its sha256. */
import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { checkpoints } from "@/drizzle/schema";
import { readAuditHead } from "../domain/audit";
import { auditKeyFile, secretsFile } from "../secrets";
import type { Db } from "./db";
import { hashFile, listFiles, syncToDisk, writeDurably } from "./durable-file";
import { dumpDatabase } from "./logical-dump";
import { appVersion } from "./migrate-database";
import { backupsFolder, dumpSuffix, timestamp } from "./prepare-database";

export const manifestName = "manifest.json";
export const databaseName = `database${dumpSuffix}`;
/** Below it, files lie as in the data folder. */
export const dataName = "data";

/** What of the data folder belongs to a backup, beside the database: what cannot be made again. */
export const keptFolders = ["models", "artifacts"] as const;

export const backupManifestSchema = z.object({
  format: z.literal("attune-backup-1"),
  createdAt: z.iso.datetime(),
  appVersion: z.string(),
  /** Newest audit row at that time: rows cut off the log's end show against it. */
  auditHead: z.object({ id: z.int(), hash: z.string() }).nullable(),
  databaseRows: z.int(),
  /** Checkpoint folders outside the data folder, which are not in the backup. */
  notIncluded: z.array(z.string()),
  files: z.array(
    z.object({
      path: z.string().refine(isSafePath, "leads out of the backup"),
      sizeBytes: z.int(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});
export type BackupManifest = z.infer<typeof backupManifestSchema>;

export type BackupOptions = {
  db: Db;
  dataFolder: string;
  /** The folder to make. */
  target: string;
  /**
   * `copy`: stands alone. `link`: on the same disk, artifacts share their bytes with the originals (they never change),
   * so that a daily backup costs little; it does not survive the disk.
   */
  files?: "copy" | "link";
  onProgress?: (file: string) => void;
};

export type Backup = { folder: string; manifest: BackupManifest; sizeBytes: number };

/** A folder that is no whole backup. The message names what is missing or differs. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}

/**
 * Makes a backup while the server runs. The database is taken first, as of one moment; files are written before the
 * rows that name them, so all of those are there. The folder gets its name when it is whole and on the disk.
 * @throws {BackupError} when `target` exists
 */
export async function createBackup({
  db,
  dataFolder,
  target,
  files = "copy",
  onProgress,
}: BackupOptions): Promise<Backup> {
  if (await exists(target)) throw new BackupError(`${target} exists already. Name a folder that does not.`);
  let manifest: BackupManifest | undefined;
  await writeDurably(path.resolve(target), async (draft) => {
    await fs.mkdir(draft, { mode: 0o700 });
    const createdAt = new Date().toISOString();
    const auditHead = await readAuditHead(db);
    onProgress?.(databaseName);
    const { rows } = await dumpDatabase(db, path.join(draft, databaseName));
    const notIncluded = await readOutsideFolders(db, dataFolder);
    await takeFiles(dataFolder, path.join(draft, dataName), files, onProgress);
    const all = await describeFiles(draft);
    manifest = {
      format: "attune-backup-1",
      createdAt,
      appVersion: appVersion(),
      auditHead,
      databaseRows: rows,
      notIncluded,
      files: all,
    };
    await fs.writeFile(path.join(draft, manifestName), `${JSON.stringify(manifest, null, 2)}\n`, {
      mode: 0o600,
    });
    await syncToDisk(path.join(draft, manifestName));
  });
  if (!manifest) throw new BackupError("The backup was not written.");
  const sizeBytes = manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { folder: path.resolve(target), manifest, sizeBytes };
}

/** Where `attune backup` puts one when no folder is named. */
export const defaultBackupTarget = (dataFolder: string): string =>
  path.join(backupsFolder(dataFolder), `backup-${timestamp()}`);

async function takeFiles(
  dataFolder: string,
  target: string,
  mode: "copy" | "link",
  onProgress?: (file: string) => void,
): Promise<void> {
  await fs.mkdir(target, { recursive: true });
  for (const secret of [secretsFile(dataFolder), auditKeyFile(dataFolder)]) {
    if (await exists(secret)) await takeFile(secret, path.join(target, path.basename(secret)), "copy");
  }
  for (const kept of keptFolders) {
    for (const file of await listFiles(path.join(dataFolder, kept))) {
      // Hidden folders hold unfinished downloads and drafts.
      if (file.split("/").some((part) => part.startsWith("."))) continue;
      onProgress?.(`${kept}/${file}`);
      await takeFile(path.join(dataFolder, kept, file), path.join(target, kept, file), mode);
    }
  }
}

async function takeFile(source: string, target: string, mode: "copy" | "link"): Promise<void> {
  await fs.mkdir(path.dirname(target), { recursive: true });
  if (mode === "link" && (await tryLink(source, target))) return;
  await fs.copyFile(source, target, fs.constants.COPYFILE_FICLONE);
  await syncToDisk(target);
}

/** False where links are not possible: another disk, or a file system without them. */
async function tryLink(source: string, target: string): Promise<boolean> {
  try {
    await fs.link(source, target);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "EXDEV" || code === "EPERM" || code === "ENOTSUP" || code === "EMLINK") return false;
    throw error;
  }
}

async function describeFiles(folder: string): Promise<BackupManifest["files"]> {
  const described: BackupManifest["files"] = [];
  for (const file of await listFiles(folder)) {
    const { size } = await fs.stat(path.join(folder, file));
    described.push({ path: file, sizeBytes: size, sha256: await hashFile(path.join(folder, file)) });
  }
  return described;
}

async function readOutsideFolders(db: Db, dataFolder: string): Promise<string[]> {
  const rows = await db.select({ folder: checkpoints.folder }).from(checkpoints);
  return rows
    .map(({ folder }) => path.resolve(dataFolder, folder))
    .filter(
      (folder) => !keptFolders.some((kept) => folder.startsWith(path.join(dataFolder, kept) + path.sep)),
    );
}

/**
 * Reads a backup and compares every file with the manifest.
 * @throws {BackupError} naming the first file that is missing, differs or does not belong there
 */
export async function verifyBackup(folder: string): Promise<BackupManifest> {
  const manifest = await readManifest(folder);
  for (const file of manifest.files) {
    const full = path.join(folder, file.path);
    const stat = await fs.stat(full).catch(() => null);
    if (!stat?.isFile()) throw new BackupError(`The backup is not whole: ${file.path} is missing.`);
    if (stat.size !== file.sizeBytes || (await hashFile(full)) !== file.sha256) {
      throw new BackupError(`The backup is damaged: ${file.path} differs from what was saved (sha256).`);
    }
  }
  const listed = new Set([manifestName, ...manifest.files.map((file) => file.path)]);
  const stray = (await listFiles(folder)).find((file) => !listed.has(file));
  if (stray) throw new BackupError(`The backup was changed: ${stray} is not in its manifest.`);
  return manifest;
}

async function readManifest(folder: string): Promise<BackupManifest> {
  const text = await fs.readFile(path.join(folder, manifestName), "utf8").catch((cause: unknown) => {
    throw new BackupError(`${folder} is no backup: it has no ${manifestName}.`, { cause });
  });
  try {
    return backupManifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new BackupError(`${folder} is no backup this program reads: its ${manifestName} does not fit.`, {
      cause,
    });
  }
}

/** A manifest comes from outside: no path in it may lead elsewhere. */
function isSafePath(file: string): boolean {
  return (
    file !== "" &&
    !path.isAbsolute(file) &&
    !file.includes("\\") &&
    file.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}

export async function exists(file: string): Promise<boolean> {
  return (await fs.lstat(file).catch(() => null)) !== null;
}

const scheduledPrefix = "scheduled-";

/** Names of the scheduled backups, newest first. */
export async function listScheduledBackups(dataFolder: string): Promise<string[]> {
  const names = await fs.readdir(backupsFolder(dataFolder)).catch(() => []);
  return names
    .filter((name) => name.startsWith(scheduledPrefix) && !name.includes(".partial-"))
    .sort()
    .reverse();
}

/** One scheduled backup; removes those beyond `keep` only after it is whole. */
export async function makeScheduledBackup(
  db: Db,
  { dataFolder, keep }: { dataFolder: string; keep: number },
): Promise<Backup> {
  const target = path.join(backupsFolder(dataFolder), `${scheduledPrefix}${timestamp()}`);
  const backup = await createBackup({ db, dataFolder, target, files: "link" });
  for (const old of (await listScheduledBackups(dataFolder)).slice(keep)) {
    const doomed = path.join(backupsFolder(dataFolder), `.removed-${randomUUID()}`);
    await fs.rename(path.join(backupsFolder(dataFolder), old), doomed);
    await fs.rm(doomed, { recursive: true, force: true });
  }
  return backup;
}
