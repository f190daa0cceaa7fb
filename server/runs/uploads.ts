/** @file Checkpoints coming in, in parts that may be sent twice, until every file is the one its manifest names. */
import { createHash } from "node:crypto";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { and, eq, inArray, isNull, ne } from "drizzle-orm";
import type { z } from "zod";
import { checkpoints, runs, runUploadParts, runUploads } from "@/drizzle/schema";
import { syncFolder } from "@/model/checkpoint/file-access";
import type { Db, Tx } from "../db/db";
import { registerCheckpoint } from "../domain/checkpoints";
import { notify } from "../domain/notifications";
import { checkpointFolder, freeBytes, incomingFolder, stateFolder } from "./artifacts";
import { holdLease, type WorkerCall } from "./lease";
import {
  type Files,
  filesSchema,
  type OpenUploadRequest,
  type openUploadAnswer,
  partBytes,
} from "./protocol";
import { publishRun } from "./run-changes";
import type { RunRow } from "./steer-run";
import { appendTimeline } from "./timeline";
import {
  assemble,
  findMissing,
  holdsFiles,
  partCount,
  partFile,
  takeFromFolder,
  takeKnownFiles,
  type Upload,
  writePart,
} from "./upload-files";
import { readOwnManifest } from "./upload-manifest";
import { WorkerError } from "./worker-error";

type OpenAnswer = z.infer<typeof openUploadAnswer>;

/** Left on the disk for everything else: the database must be able to say that there is no room. */
const reserveBytes = 256 * 1024 * 1024;

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
  if (upload.completedAt) {
    if (request.isBest && !upload.isBest) await markBest(call, upload, request);
    return { ...describe(upload), isComplete: true, missing: {} };
  }
  if (await holdsFiles(checkpointFolder(dataFolder, checkpointId), upload)) {
    return { ...describe(upload), isComplete: false, missing: {} };
  }
  const folder = incomingFolder(dataFolder, upload.id);
  await mkdir(folder, { recursive: true });
  if (request.folder !== undefined) await takeFromFolder(call, { upload, folder, source: request.folder });
  await takeKnownFiles(call, { run, files, folder });
  const missing = await findMissing(db, upload, folder);
  await requireRoom(call, run, missing, files);
  return { ...describe(upload), isComplete: false, missing };
}

/** A run that paused before it had measured a checkpoint tells only later that it is the best. */
async function markBest(
  call: WorkerCall,
  { id, runId, checkpointId, step }: Upload,
  { fencing }: OpenUploadRequest,
): Promise<void> {
  await call.db.transaction(async (tx) => {
    await holdLease(tx, call, { runId, fencing });
    await forgetBest(tx, { runId, checkpointId });
    await tx.update(checkpoints).set({ isBest: true }).where(eq(checkpoints.id, checkpointId));
    await tx.update(runUploads).set({ isBest: true }).where(eq(runUploads.id, id));
    await appendTimeline(tx, runId, [{ kind: "checkpoint", step, payload: { checkpointId, isBest: true } }]);
  });
  publishRun(runId);
}

/** Of the run's other checkpoints: one at a time is the best. */
async function forgetBest(tx: Tx, { runId, checkpointId }: Pick<Upload, "runId" | "checkpointId">) {
  await tx
    .update(checkpoints)
    .set({ isBest: false })
    .where(and(eq(checkpoints.runId, runId), ne(checkpoints.id, checkpointId)));
}

const describe = ({ id, checkpointId }: Upload) => ({ uploadId: id, checkpointId, partBytes });
const sha256Of = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

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
  if (!(await holdsFiles(target, upload))) {
    const missing = await findMissing(db, upload, folder);
    if (Object.keys(missing).length > 0) {
      throw new WorkerError("incomplete", `${Object.keys(missing).join(", ")} did not arrive whole.`, {
        missing,
      });
    }
    await assemble(db, upload, folder);
    await mkdir(path.dirname(target), { recursive: true });
    // No row names what may lie there: it is of an upload whose lease was lost before it was recorded.
    await rm(target, { recursive: true, force: true });
    await rename(folder, target);
    await syncFolder(path.dirname(target));
  }
  await recordCheckpoint(call, upload, { fencing, target });
  publishRun(upload.runId);
  return { checkpointId };
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
    if (isBest) await forgetBest(tx, { runId, checkpointId });
    await tx
      .update(checkpoints)
      .set({ runId, step, isBest, hasState })
      .where(eq(checkpoints.id, checkpointId));
    await tx.update(runUploads).set({ completedAt: new Date() }).where(eq(runUploads.id, upload.id));
    await tx.delete(runUploadParts).where(eq(runUploadParts.uploadId, upload.id));
    await tx.update(runs).set({ hasProgressed: true, kills: 0 }).where(eq(runs.id, runId));
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
