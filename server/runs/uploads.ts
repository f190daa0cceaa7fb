/** @file Checkpoints coming in, in parts that may be sent twice, until every file is the one its manifest names. */
import { createHash } from "node:crypto";
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
import { and, eq, inArray, isNull, ne } from "drizzle-orm";
import { checkpoints, runDatasets, runUploadParts, runUploads, runs, datasets } from "@/drizzle/schema";
import { digestFile, syncFolder } from "@/model/checkpoint/file-access";
import { type Manifest, manifestFileName, manifestSchema } from "@/model/checkpoint/manifest";
import type { Db } from "../db/db";
import { registerCheckpoint } from "../domain/checkpoints";
import { notify } from "../domain/notifications";
import {
  artifactsFolder,
  checkpointFolder,
  freeBytes,
  incomingFolder,
  locateFiles,
  stateFolder,
} from "./artifacts";
import { hashDatasets } from "./claim";
import { holdLease, type WorkerCall } from "./lease";
import {
  type Files,
  filesSchema,
  type openUploadAnswer,
  type OpenUploadRequest,
  partBytes,
} from "./protocol";
import { publishRun } from "./run-changes";
import { isTrainable, stageSettings } from "./stage-settings";
import type { RunRow } from "./steer-run";
import { appendTimeline } from "./timeline";
import { WorkerError } from "./worker-error";
import type { z } from "zod";

type Upload = typeof runUploads.$inferSelect;
type OpenAnswer = z.infer<typeof openUploadAnswer>;

/** Left on the disk for everything else: the database must be able to say that there is no room. */
const reserveBytes = 256 * 1024 * 1024;
const maxCheckpointFiles = 200;

/**
 * Begins, or goes on with, the upload of one checkpoint. Files that lie here already, in the run's base or in an earlier
 * checkpoint of it, need not be sent.
 * @throws {WorkerError} leaseLost; invalid for a manifest that is not this run's; diskFull
 */
export async function openUpload(
  call: WorkerCall,
  runId: string,
  request: OpenUploadRequest,
): Promise<OpenAnswer> {
  const { db, dataFolder } = call;
  const run = await db.transaction((tx) => holdLease(tx, call, { runId, fencing: request.fencing }));
  const manifest = await readOwnManifest(db, run, request);
  const checkpointId = sha256Of(request.manifest);
  const files = { ...manifest.files, ...request.state };
  const upload = await rememberUpload(db, { run, request, checkpointId, files });
  if (upload.completedAt) return { ...describe(upload), isComplete: true, missing: {} };
  const folder = incomingFolder(dataFolder, upload.id);
  await mkdir(folder, { recursive: true });
  if (request.folder !== undefined) await takeFromFolder(call, { upload, folder, source: request.folder });
  await takeKnownFiles(call, { run, files, folder });
  const missing = await findMissing(db, upload, folder);
  await requireRoom(call, run, missing, files);
  return { ...describe(upload), isComplete: false, missing };
}

const describe = ({ id, checkpointId }: Upload) => ({ uploadId: id, checkpointId, partBytes });
const sha256Of = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

async function readOwnManifest(
  db: Db,
  run: RunRow,
  { manifest: text, state }: OpenUploadRequest,
): Promise<Manifest> {
  const parsed = manifestSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new WorkerError(
      "invalid",
      `${manifestFileName} does not fit: ${issue?.path.join(".")}: ${issue?.message}`,
    );
  }
  const manifest = parsed.data;
  const expected = {
    run: run.id,
    stage: run.stage,
    parent: isTrainable(run.stage) && stageSettings[run.stage].hasParent ? run.baseCheckpointId : null,
    datasetSha256: hashDatasets(await readRunHashes(db, run.id)),
  };
  for (const [field, value] of Object.entries(expected)) {
    const found = manifest[field as keyof typeof expected];
    if (found !== value) {
      throw new WorkerError("invalid", `${manifestFileName} says ${field} ${found}; this run's is ${value}.`);
    }
  }
  const names = [...Object.keys(manifest.files), ...Object.keys(state)];
  if (names.length > maxCheckpointFiles) {
    throw new WorkerError(
      "invalid",
      `The checkpoint has ${names.length} files; ${maxCheckpointFiles} are the most.`,
    );
  }
  const isState = (name: string) => name.startsWith(`${stateFolder}/`);
  const stray =
    Object.keys(state).find((name) => !isState(name)) ?? Object.keys(manifest.files).find(isState);
  if (stray !== undefined) {
    throw new WorkerError(
      "invalid",
      `${stray}: the training state lies in ${stateFolder}/, and the manifest does not list it.`,
    );
  }
  if (names.includes(manifestFileName)) {
    throw new WorkerError("invalid", `A manifest does not list itself (${manifestFileName}).`);
  }
  return manifest;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function readRunHashes(db: Db, runId: string): Promise<{ sha256: string }[]> {
  const rows = await db
    .select({ sha256: datasets.sha256 })
    .from(runDatasets)
    .innerJoin(datasets, eq(datasets.id, runDatasets.datasetId))
    .where(eq(runDatasets.runId, runId))
    .orderBy(runDatasets.role, runDatasets.position);
  return rows.map(({ sha256 }) => ({ sha256: sha256 ?? "" }));
}

async function rememberUpload(
  db: Db,
  {
    run,
    request,
    checkpointId,
    files,
  }: { run: RunRow; request: OpenUploadRequest; checkpointId: string; files: Files },
): Promise<Upload> {
  const { step, isBest, manifest } = request;
  const [upload] = await db
    .insert(runUploads)
    .values({ runId: run.id, checkpointId, step, isBest, manifest, files })
    .onConflictDoNothing({ target: [runUploads.runId, runUploads.checkpointId] })
    .returning();
  if (upload) return upload;
  const [known] = await db
    .select()
    .from(runUploads)
    .where(and(eq(runUploads.runId, run.id), eq(runUploads.checkpointId, checkpointId)));
  if (!known) throw new Error("The upload was not stored.");
  if (known.completedAt) return known;
  // The same weights reached again after a resume: their state may differ in what it remembers, so the new one counts.
  const [changed] = await db
    .update(runUploads)
    .set({ step, isBest, files })
    .where(eq(runUploads.id, known.id))
    .returning();
  return changed ?? known;
}

/** The embedded trainer shares this machine's disk: its files are linked, not sent. */
async function takeFromFolder(
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

async function takeKnownFiles(
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
  for (const id of [run.baseCheckpointId, ...own.map((row) => row.id)]) {
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
const partFile = (folder: string, name: string) => path.join(folder, `${name}.parts`);
const partCount = (sizeBytes: number) => Math.ceil(sizeBytes / partBytes);

/** File → parts that are not here. */
async function findMissing(db: Db, upload: Upload, folder: string): Promise<Record<string, number[]>> {
  const received = await db.select().from(runUploadParts).where(eq(runUploadParts.uploadId, upload.id));
  const missing: Record<string, number[]> = {};
  for (const [name, { sizeBytes }] of Object.entries(filesSchema.parse(upload.files))) {
    const isWhole = await stat(path.join(folder, name)).catch(() => null);
    if (isWhole || sizeBytes === 0) continue;
    const here = new Set(received.filter(({ file }) => file === name).map(({ part }) => part));
    const parts = Array.from({ length: partCount(sizeBytes) }, (_, part) => part).filter(
      (part) => !here.has(part),
    );
    if (parts.length > 0) missing[name] = parts;
  }
  return missing;
}

async function requireRoom(
  { db, dataFolder }: WorkerCall,
  run: RunRow,
  missing: Record<string, number[]>,
  files: Files,
): Promise<void> {
  const needed = Object.entries(missing).reduce((sum, [name, parts]) => {
    return sum + Math.min(files[name]?.sizeBytes ?? 0, parts.length * partBytes);
  }, 0);
  const free = await freeBytes(dataFolder);
  if (free >= needed + reserveBytes) return;
  await sayDiskLow(db, run, { needed, free });
  throw diskFull(needed, free);
}

function diskFull(needed: number, free: number): WorkerError {
  return new WorkerError(
    "diskFull",
    `The server's disk has ${inMegabytes(free)} free, and the checkpoint needs ${inMegabytes(needed)} more. Try again when there is room.`,
    { needed, free },
  );
}

const inMegabytes = (bytes: number) => `${Math.floor(bytes / 1024 / 1024)} MB`;

async function sayDiskLow(
  db: Db,
  run: RunRow,
  { needed, free }: { needed: number; free: number },
): Promise<void> {
  await db.transaction((tx) =>
    notify(tx, {
      kind: "diskLow",
      runId: run.id,
      text: `The disk has ${inMegabytes(free)} free; run ${run.number} waits for ${inMegabytes(needed)} to save a checkpoint.`,
    }),
  );
}

function toDiskFull(error: unknown): WorkerError | null {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return code === "ENOSPC" || code === "EDQUOT"
    ? new WorkerError("diskFull", "The server's disk is full. Try again when there is room.")
    : null;
}

export type Part = {
  uploadId: string;
  fencing: number;
  file: string;
  part: number;
  sha256: string;
  bytes: Uint8Array;
};

/**
 * Stores one part. One that is here already is absorbed.
 * @throws {WorkerError} sha256Mismatch; invalid for a part that the file does not have; leaseLost; diskFull
 */
export async function putPart(call: WorkerCall, { uploadId, ...part }: Part): Promise<{ absorbed: boolean }> {
  const upload = await readUpload(call.db, uploadId);
  await call.db.transaction((tx) => holdLease(tx, call, { runId: upload.runId, fencing: part.fencing }));
  checkPart(upload, part);
  const key = { uploadId, file: part.file, part: part.part };
  const folder = incomingFolder(call.dataFolder, uploadId);
  const isWhole = await stat(path.join(folder, part.file)).catch(() => null);
  const known = await call.db.$count(
    runUploadParts,
    and(
      eq(runUploadParts.uploadId, uploadId),
      eq(runUploadParts.file, part.file),
      eq(runUploadParts.part, part.part),
    ),
  );
  if (upload.completedAt || isWhole || known > 0) return { absorbed: true };
  await writePart(partFile(folder, part.file), part);
  await call.db
    .insert(runUploadParts)
    .values({ ...key, sha256: part.sha256 })
    .onConflictDoNothing();
  return { absorbed: false };
}

function checkPart(upload: Upload, { file, part, sha256, bytes }: Omit<Part, "uploadId">): void {
  const facts = filesSchema.parse(upload.files)[file];
  if (!facts) throw new WorkerError("invalid", `The checkpoint has no file ${file}.`);
  const count = partCount(facts.sizeBytes);
  if (part >= count) {
    throw new WorkerError(
      "invalid",
      `${file} has ${count} parts of ${partBytes} bytes, counted from 0; ${part} is none of them.`,
    );
  }
  const expected = part === count - 1 ? facts.sizeBytes - part * partBytes : partBytes;
  if (bytes.byteLength !== expected) {
    throw new WorkerError(
      "invalid",
      `Part ${part} of ${file} has ${bytes.byteLength} bytes instead of ${expected}.`,
    );
  }
  const found = sha256Of(bytes);
  if (found !== sha256) {
    throw new WorkerError(
      "sha256Mismatch",
      `Part ${part} of ${file} arrived with sha256 ${found}; it was sent as ${sha256}. Send it again.`,
      { file, part },
    );
  }
}

async function writePart(file: string, { part, bytes }: Pick<Part, "part" | "bytes">): Promise<void> {
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

async function readUpload(db: Db, uploadId: string): Promise<Upload> {
  const [upload] = await db.select().from(runUploads).where(eq(runUploads.id, uploadId));
  if (!upload) throw new WorkerError("notFound", "There is no such upload. Open it again.");
  return upload;
}

/**
 * Ends an upload: every file is compared with its sha256, the folder gets its name, and the checkpoint is known.
 * @throws {WorkerError} incomplete with what to send; sha256Mismatch naming the file, which is then to be sent again
 */
export async function completeUpload(
  call: WorkerCall,
  uploadId: string,
  { fencing }: { fencing: number },
): Promise<{ checkpointId: string }> {
  const { db, dataFolder } = call;
  const upload = await readUpload(db, uploadId);
  await db.transaction((tx) => holdLease(tx, call, { runId: upload.runId, fencing }));
  const { checkpointId } = upload;
  if (upload.completedAt) return { checkpointId };
  const folder = incomingFolder(dataFolder, uploadId);
  const target = checkpointFolder(dataFolder, checkpointId);
  // A server killed between the rename and its record finds the folder in place.
  if (!(await stat(path.join(target, manifestFileName)).catch(() => null))) {
    const missing = await findMissing(db, upload, folder);
    if (Object.keys(missing).length > 0) {
      throw new WorkerError("incomplete", `${Object.keys(missing).join(", ")} did not arrive whole.`, {
        missing,
      });
    }
    await assemble(db, upload, folder);
    await mkdir(path.dirname(target), { recursive: true });
    await rename(folder, target);
    await syncFolder(path.dirname(target));
  }
  await recordCheckpoint(call, upload, { fencing, target });
  publishRun(upload.runId);
  return { checkpointId };
}

async function assemble(db: Db, upload: Upload, folder: string): Promise<void> {
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

async function recordCheckpoint(
  call: WorkerCall,
  upload: Upload,
  { fencing, target }: { fencing: number; target: string },
): Promise<void> {
  const { runId, step, isBest, checkpointId } = upload;
  const hasState = Object.keys(filesSchema.parse(upload.files)).some((name) =>
    name.startsWith(`${stateFolder}/`),
  );
  await call.db.transaction(async (tx) => {
    // Again, and to the end of the transaction: hashing took a while, and the lease may be another's by now.
    await holdLease(tx, call, { runId, fencing });
    await registerCheckpoint(tx, target, call.dataFolder);
    if (isBest) {
      await tx
        .update(checkpoints)
        .set({ isBest: false })
        .where(and(eq(checkpoints.runId, runId), ne(checkpoints.id, checkpointId)));
    }
    await tx
      .update(checkpoints)
      .set({ runId, step, isBest, hasState })
      .where(eq(checkpoints.id, checkpointId));
    await tx.update(runUploads).set({ completedAt: new Date() }).where(eq(runUploads.id, upload.id));
    await tx.delete(runUploadParts).where(eq(runUploadParts.uploadId, upload.id));
    await tx.update(runs).set({ hasProgressed: true }).where(eq(runs.id, runId));
    await appendTimeline(tx, runId, [{ kind: "checkpoint", step, payload: { checkpointId, isBest } }]);
  });
}

/** Removes what was never ended: of runs that are over, and whatever is older than a week. @returns how many */
export async function sweepUploads(db: Db, dataFolder: string, now = new Date()): Promise<number> {
  const open = await db
    .select({ id: runUploads.id, endedAt: runs.endedAt, createdAt: runUploads.createdAt })
    .from(runUploads)
    .innerJoin(runs, eq(runs.id, runUploads.runId))
    .where(isNull(runUploads.completedAt));
  const weekMs = 7 * 24 * 60 * 60 * 1000;
  const stale = open.filter(
    ({ endedAt, createdAt }) => endedAt || now.getTime() - createdAt.getTime() > weekMs,
  );
  for (const { id } of stale) await rm(incomingFolder(dataFolder, id), { recursive: true, force: true });
  if (stale.length > 0) {
    await db.delete(runUploads).where(
      inArray(
        runUploads.id,
        stale.map(({ id }) => id),
      ),
    );
  }
  return stale.length;
}
