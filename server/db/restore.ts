/** @file Puts a backup back, into either home: checked first, nothing of yours overwritten, safe to repeat after a cut. */
import fs from "node:fs/promises";
import path from "node:path";
import { sql } from "drizzle-orm";
import { auditHeadName } from "../domain/signed-head";
import {
  BackupError,
  type BackupManifest,
  databaseName,
  dataName,
  exists,
  keptFolders,
  verifyBackup,
} from "./backup";
import { lockDataFolder } from "./data-folder-lock";
import type { Db } from "./db";
import { hashFile, syncToDisk, writeDurably } from "./durable-file";
import { dumpDatabase, loadDatabase } from "./logical-dump";
import { readApplied } from "./migrate-database";
import { openUnlocked, restoreMarker } from "./open-database";
import { dumpSuffix, timestamp } from "./prepare-database";

export type RestoreOptions = {
  /** A backup folder, or a dump of the database alone (`….jsonl.gz`). */
  source: string;
  dataFolder: string;
  databaseUrl?: string | undefined;
  /** Also into a folder or database that holds data: that is moved to `replaced-<time>` in the data folder first. */
  replace?: boolean;
};

export type Restored = {
  rows: number;
  files: number;
  /** Where the data that was there lies now; null when there was none. */
  replaced: string | null;
  /** Checkpoint folders that were outside the data folder when the backup was made. */
  notIncluded: string[];
};

/** What a data folder holds that a restore would overwrite. */
const ownedNames = ["db", "secrets.json", "audit-key.pem", auditHeadName, ...keptFolders];

/**
 * Restores. Nothing is touched before the whole backup was compared with its manifest.
 * @throws {BackupError} for a damaged backup, or a place that holds data without `replace`
 * @throws {DataFolderLockedError} while a server uses the folder
 */
export async function restoreBackup({
  source,
  dataFolder,
  databaseUrl,
  replace = false,
}: RestoreOptions): Promise<Restored> {
  const manifest = source.endsWith(dumpSuffix) ? null : await verifyBackup(source);
  using _lock = lockDataFolder(dataFolder, "restore");
  const marker = restoreMarker(dataFolder);
  const present = await presentNames(dataFolder, manifest !== null);
  if (await exists(marker)) {
    // What is there came from a restore that was cut: it is replaced by this one.
    for (const name of present) await fs.rm(path.join(dataFolder, name), { recursive: true, force: true });
    present.length = 0;
  }
  if (present.length > 0 && !replace) {
    throw new BackupError(
      `${dataFolder} is not empty (${present.join(", ")}). Restore into an empty folder (ATTUNE_DATA), ` +
        "or say --replace: what is there is then moved aside, not deleted.",
    );
  }
  const aside = path.join(dataFolder, `replaced-${timestamp()}`);
  let isAsideUsed = present.length > 0;
  if (databaseUrl) isAsideUsed = (await clearPostgres(databaseUrl, { replace, aside })) || isAsideUsed;
  await moveAside(dataFolder, present, aside);
  await fs.writeFile(marker, `${JSON.stringify({ source: path.resolve(source), startedAt: new Date() })}\n`);
  await syncToDisk(dataFolder);
  if (manifest) await putFiles(source, manifest, dataFolder);
  const rows = await fillDatabase(manifest ? path.join(source, databaseName) : source, {
    dataFolder,
    databaseUrl,
  });
  await fs.rm(marker);
  await syncToDisk(dataFolder);
  return {
    rows,
    files: manifest ? manifest.files.length : 0,
    replaced: isAsideUsed ? aside : null,
    notIncluded: manifest?.notIncluded ?? [],
  };
}

async function presentNames(dataFolder: string, isWhole: boolean): Promise<string[]> {
  // A dump alone brings no files, so those that are there stay.
  // But the head of the audit log is that of the rows that are replaced.
  const candidates = isWhole ? ownedNames : ["db", auditHeadName];
  const found: string[] = [];
  for (const name of candidates) {
    if (await holdsAnything(path.join(dataFolder, name))) found.push(name);
  }
  return found;
}

async function holdsAnything(file: string): Promise<boolean> {
  const stat = await fs.stat(file).catch(() => null);
  if (!stat) return false;
  return stat.isFile() || (await fs.readdir(file)).length > 0;
}

async function moveAside(dataFolder: string, names: string[], aside: string): Promise<void> {
  if (names.length === 0) return;
  await fs.mkdir(aside, { recursive: true, mode: 0o700 });
  for (const name of names) await fs.rename(path.join(dataFolder, name), path.join(aside, name));
  await syncToDisk(aside);
}

/** @returns whether there was something, which now lies in `aside` as a dump */
async function clearPostgres(
  databaseUrl: string,
  { replace, aside }: { replace: boolean; aside: string },
): Promise<boolean> {
  const opened = await openUnlocked({ databaseUrl });
  try {
    if (!(await holdsTables(opened.db))) return false;
    if (!replace) {
      throw new BackupError(
        "The PostgreSQL database is not empty. Restore into an empty one, or say --replace: it is then dumped before it is emptied.",
      );
    }
    if ((await readApplied(opened.db)).length === 0) {
      throw new BackupError(
        "The PostgreSQL database holds tables that are not Attune's. Name another database.",
      );
    }
    await writeDurably(path.join(aside, databaseName), async (draft) => {
      await dumpDatabase(opened.db, draft);
    });
    await opened.db.execute(sql`drop schema public cascade`);
    await opened.db.execute(sql`create schema public`);
    return true;
  } finally {
    await opened.end();
  }
}

async function holdsTables(db: Db): Promise<boolean> {
  const { rows } = await db.execute<{ n: number }>(
    sql`select count(*)::int as n from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
  );
  return (rows[0]?.n ?? 0) > 0;
}

async function putFiles(source: string, manifest: BackupManifest, dataFolder: string): Promise<void> {
  for (const file of manifest.files) {
    if (!file.path.startsWith(`${dataName}/`)) continue;
    const target = path.join(dataFolder, file.path.slice(dataName.length + 1));
    await fs.mkdir(path.dirname(target), { recursive: true });
    await fs.copyFile(path.join(source, file.path), target, fs.constants.COPYFILE_FICLONE);
    await syncToDisk(target);
    if ((await hashFile(target)) !== file.sha256)
      throw new BackupError(`${target} was not written as it was read.`);
  }
}

async function fillDatabase(
  dump: string,
  { dataFolder, databaseUrl }: { dataFolder: string; databaseUrl?: string | undefined },
): Promise<number> {
  const opened = await openUnlocked(databaseUrl ? { databaseUrl } : { folder: path.join(dataFolder, "db") });
  try {
    const { rows } = await loadDatabase(opened.db, dump);
    return rows;
  } finally {
    await opened.end();
  }
}
