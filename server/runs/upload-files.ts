/** @file The files of an upload on the disk: taken from where they lie already, written by parts, compared with their sha256. */
import {
  constants,
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { and, eq, isNull } from "drizzle-orm";
import { checkpoints, runUploadParts, type runUploads } from "@/drizzle/schema";
import { digestFile, syncFolder } from "@/model/checkpoint/file-access";
import { manifestFileName } from "@/model/checkpoint/manifest";
import type { Db } from "../db/db";
import { artifactsFolder, locateFiles } from "./artifacts";
import type { WorkerCall } from "./lease";
import { type Files, filesSchema, partBytes } from "./protocol";
import type { RunRow } from "./steer-run";
import { WorkerError } from "./worker-error";

export type Upload = typeof runUploads.$inferSelect;

/** The embedded trainer shares this machine's disk: its files are linked, not sent. */
export async function takeFromFolder(
  { worker, dataFolder }: WorkerCall,
  { upload, folder, source }: { upload: Upload; folder: string; source: string },
): Promise<void> {
  const isInside = !path.relative(dataFolder, path.resolve(source)).startsWith("..");
  if (worker.kind !== "embedded" || !isInside) {
    throw new WorkerError(
      "invalid",
      "Only the embedded trainer may name a folder, and only inside the data folder.",
    );
  }
  for (const name of Object.keys(filesSchema.parse(upload.files))) {
    await takeFile(path.join(source, name), path.join(folder, name), true);
  }
}

/** What lies in the run's base, or in an earlier checkpoint of it, need not be sent. */
export async function takeKnownFiles(
  { db, dataFolder }: WorkerCall,
  { run, files, folder }: { run: RunRow; files: Files; folder: string },
): Promise<void> {
  const here = await readKnownFiles(db, run, dataFolder);
  for (const [name, { sha256 }] of Object.entries(files)) {
    const known = here.get(sha256);
    // A link into a folder outside ours would share bytes with what its owner may change.
    if (known) await takeFile(known, path.join(folder, name), known.startsWith(artifactsFolder(dataFolder)));
  }
}

async function readKnownFiles(db: Db, run: RunRow, dataFolder: string): Promise<Map<string, string>> {
  const own = await db
    .select({ id: checkpoints.id })
    .from(checkpoints)
    .where(and(eq(checkpoints.runId, run.id), isNull(checkpoints.deletedAt)));
  const known = new Map<string, string>();
  for (const id of [...own.map((row) => row.id), run.baseCheckpointId]) {
    if (id === null) continue;
    const place = await locateFiles(db, id, dataFolder).catch(() => null);
    for (const [name, { sha256 }] of Object.entries(place?.files ?? {})) {
      if (place) known.set(sha256, path.join(place.folder, name));
    }
  }
  return known;
}

/** Gives a file its name here, if it is not here yet; what is wrong with it shows when the upload ends. */
async function takeFile(source: string, target: string, mayLink: boolean): Promise<void> {
  if (await stat(target).catch(() => null)) return;
  await mkdir(path.dirname(target), { recursive: true });
  const draft = `${target}.taken`;
  await rm(draft, { force: true });
  const isLinked =
    mayLink &&
    (await link(source, draft).then(
      () => true,
      () => false,
    ));
  const isThere =
    isLinked ||
    (await copyFile(source, draft, constants.COPYFILE_FICLONE).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
        throw toDiskFull(error) ?? error;
      },
    ));
  if (isThere) await rename(draft, target);
}

/** Parts go into a file of another name: what was linked must never be written into. */
export const partFile = (folder: string, name: string) => path.join(folder, `${name}.parts`);

export const partCount = (sizeBytes: number) => Math.ceil(sizeBytes / partBytes);

/** File → parts that are not here. */
export async function findMissing(db: Db, upload: Upload, folder: string): Promise<Record<string, number[]>> {
  const received = await db.select().from(runUploadParts).where(eq(runUploadParts.uploadId, upload.id));
  const missing: Record<string, number[]> = {};
  for (const [name, { sizeBytes }] of Object.entries(filesSchema.parse(upload.files))) {
    const isWhole = await stat(path.join(folder, name)).catch(() => null);
    if (isWhole || sizeBytes === 0) continue;
    // Parts are noted after they are written; a file that has left its place since takes their meaning with it.
    const hasParts = await stat(partFile(folder, name)).catch(() => null);
    const here = new Set(received.filter(({ file }) => hasParts && file === name).map(({ part }) => part));
    const parts = Array.from({ length: partCount(sizeBytes) }, (_, part) => part).filter(
      (part) => !here.has(part),
    );
    if (parts.length > 0) missing[name] = parts;
  }
  return missing;
}

export function toDiskFull(error: unknown): WorkerError | null {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return code === "ENOSPC" || code === "EDQUOT"
    ? new WorkerError("diskFull", "The server's disk is full. Try again when there is room.")
    : null;
}

export async function writePart(
  file: string,
  { part, bytes }: { part: number; bytes: Uint8Array },
): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await using handle = await open(file, constants.O_RDWR | constants.O_CREAT);
    for (let done = 0; done < bytes.length; ) {
      const position = part * partBytes + done;
      done += (await handle.write(bytes, done, bytes.length - done, position)).bytesWritten;
    }
  } catch (error) {
    throw toDiskFull(error) ?? error;
  }
}

/** Whether a folder is this upload, whole: every file with its sha256, and the manifest. */
export async function holdsFiles(folder: string, { files, checkpointId }: Upload): Promise<boolean> {
  const expected = { ...filesSchema.parse(files), [manifestFileName]: { sha256: checkpointId } };
  for (const [name, { sha256 }] of Object.entries(expected)) {
    const found = await digestFile(path.join(folder, name)).catch(() => null);
    if (found?.sha256 !== sha256) return false;
  }
  return true;
}

/** Gives every file its name and compares it with its sha256; the manifest comes last. */
export async function assemble(db: Db, upload: Upload, folder: string): Promise<void> {
  const files = filesSchema.parse(upload.files);
  for (const [name, expected] of Object.entries(files)) {
    const file = path.join(folder, name);
    const parts = partFile(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    if (!(await stat(file).catch(() => null))) {
      if (expected.sizeBytes === 0) await writeFile(parts, "");
      await rename(parts, file);
    }
    const found = await digestFile(file);
    if (found.sha256 !== expected.sha256 || found.sizeBytes !== expected.sizeBytes) {
      await rm(file);
      await db
        .delete(runUploadParts)
        .where(and(eq(runUploadParts.uploadId, upload.id), eq(runUploadParts.file, name)));
      throw new WorkerError(
        "sha256Mismatch",
        `${name} has sha256 ${found.sha256} (${found.sizeBytes} bytes); its manifest says ${expected.sha256} (${expected.sizeBytes} bytes). Send the file again.`,
        { file: name },
      );
    }
    await syncFile(file);
  }
  await removeStrays(folder, files);
  const manifest = path.join(folder, manifestFileName);
  await writeFile(manifest, upload.manifest);
  await syncFile(manifest);
  await syncFolder(folder);
}

/** Parts of a state that a later upload of the same checkpoint replaced. */
async function removeStrays(folder: string, files: Files): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, file).split(path.sep).join("/");
    if (!Object.hasOwn(files, name)) await rm(file);
  }
}

async function syncFile(file: string): Promise<void> {
  await using handle = await open(file, "r");
  await handle.sync();
}
