/** @file Files of rankings on their way in: received in parts, then read in the background, with progress in their row. */
import { createWriteStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { and, desc, eq, exists, inArray, sql } from "drizzle-orm";
import { batches, imports, prompts, rankingTasks, users } from "@/drizzle/schema";
import { type LayoutName, layoutNames } from "@/model/data/rankings/layouts";
import { openRankings } from "@/model/data/rankings/read-rankings";
import { DataFileError } from "@/model/data/read-lines";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { log } from "../../log";
import { appendAudit } from "../audit";
import { type ImportCounts, importRankings } from "./import-rankings";

/** Of one part: what proxies and Next let through in one body. */
export const partBytes = 8 * 1024 * 1024;
export const mostImportBytes = 1024 ** 3;

export type Import = {
  id: string;
  name: string;
  layout: string;
  status: (typeof imports.$inferSelect)["status"];
  reason: string | null;
  sizeBytes: number;
  readBytes: number;
  counts: Record<string, number>;
  faults: { line: number; reason: string }[];
  createdBy: string | null;
  createdAt: Date;
  endedAt: Date | null;
};

type Place = { importId: string; dataFolder: string };
const fileOf = ({ importId, dataFolder }: Place) => path.join(dataFolder, "imports", `${importId}.part`);

/** @param sizeBytes of the whole file, so that what is too large is refused before it is sent */
export async function startImport(
  db: Db,
  {
    name,
    layout,
    sizeBytes,
    actorId,
  }: { name: string; layout: LayoutName | null; sizeBytes: number; actorId: string | null },
): Promise<{ importId: string }> {
  if (sizeBytes > mostImportBytes) {
    throw new AppError(
      "TOO_LARGE",
      `${name} has ${sizeBytes} bytes; a file may have ${mostImportBytes}. Split it.`,
    );
  }
  const [row] = await db
    .insert(imports)
    .values({
      name,
      kind: "rankings",
      layout: layout ?? "detect",
      status: "receiving",
      sizeBytes,
      createdBy: actorId,
    })
    .returning({ id: imports.id });
  if (!row) throw new Error("The import was not stored.");
  return { importId: row.id };
}

/**
 * One part, in order from 0; sending one again is harmless. The file grows as its parts come.
 * @throws {AppError} CONFLICT for a part out of turn; TOO_LARGE; NOT_FOUND
 */
export async function receivePart(
  db: Db,
  { part, bytes, ...place }: Place & { part: number; bytes: Uint8Array },
): Promise<{ nextPart: number }> {
  const row = await readRow(db, place.importId);
  if (part < row.nextPart) return { nextPart: row.nextPart };
  if (row.status !== "receiving" || part > row.nextPart) {
    throw new AppError("CONFLICT", `Part ${part} came out of turn. Send part ${row.nextPart} next.`);
  }
  if (bytes.byteLength > partBytes) throw new AppError("TOO_LARGE", `A part may have ${partBytes} bytes.`);
  await fs.mkdir(path.dirname(fileOf(place)), { recursive: true });
  // At its own offset: a part that was cut by a crash is written over by the same part.
  await pipeline(
    async function* () {
      yield bytes;
    },
    createWriteStream(fileOf(place), { flags: part === 0 ? "w" : "r+", start: part * partBytes }),
  );
  const moved = await db
    .update(imports)
    .set({ nextPart: part + 1 })
    .where(and(eq(imports.id, place.importId), eq(imports.nextPart, part)))
    .returning({ nextPart: imports.nextPart });
  return moved[0] ?? { nextPart: row.nextPart };
}

/** Ends the upload and begins to read. @returns at once; `ended` resolves when all is read */
export async function readImport(db: Db, place: Place): Promise<{ ended: Promise<void> }> {
  const row = await readRow(db, place.importId);
  const received = await fs.stat(fileOf(place)).catch(() => null);
  if (row.status !== "receiving") throw new AppError("CONFLICT", "This import is being read already.");
  if (!received || received.size !== row.sizeBytes) {
    throw new AppError(
      "BAD_REQUEST",
      `${received?.size ?? 0} of ${row.sizeBytes} bytes have arrived. Send the rest first.`,
    );
  }
  await db.update(imports).set({ status: "reading" }).where(eq(imports.id, place.importId));
  return { ended: read(db, place) };
}

/** Imports a restart cut are read again from their beginning; what had been made of them goes first. */
export async function resumeImports(db: Db, dataFolder: string): Promise<void> {
  const cut = await db.select({ id: imports.id }).from(imports).where(eq(imports.status, "reading"));
  for (const { id } of cut) {
    await removeRows(db, id);
    await read(db, { importId: id, dataFolder });
  }
}

async function read(db: Db, place: Place): Promise<void> {
  const row = await readRow(db, place.importId);
  try {
    const source = { ...(await openRankings(fileOf(place))), name: row.name };
    await importRankings(db, {
      importId: row.id,
      source,
      layout: layoutNames.find((name) => name === row.layout) ?? null,
      actorId: row.createdBy,
    });
    await finish(db, row.id, { status: "finished", reason: null });
  } catch (error) {
    const isKnown = error instanceof DataFileError;
    if (!isKnown) log.error({ err: error, importId: row.id }, "an import failed");
    const reason = isKnown ? error.message : "The server failed while it read the file; its log says why.";
    await finish(db, row.id, { status: "failed", reason });
  }
  await fs.rm(fileOf(place), { force: true });
}

async function finish(
  db: Db,
  importId: string,
  end: { status: "finished" | "failed"; reason: string | null },
): Promise<void> {
  await db
    .update(imports)
    .set({ ...end, endedAt: new Date() })
    .where(eq(imports.id, importId));
}

export type ImportFile = {
  file: string;
  layout: LayoutName | null;
  actorId: string | null;
  /** Also where a file of this name and size was imported before. */
  isAgain?: boolean;
};

/**
 * A file of this machine, read at once: for the command line.
 * @throws {AppError} CONFLICT, naming the earlier import; BAD_REQUEST as `importRankings`: what came before is kept then
 */
export async function importFile(
  db: Db,
  { file, layout, actorId, isAgain = false }: ImportFile,
): Promise<{ importId: string; counts: ImportCounts; faults: Import["faults"] }> {
  const source = { ...(await openRankings(file)), name: path.basename(file) };
  if (!isAgain) await refuseTwin(db, source);
  const { importId } = await startImport(db, {
    name: source.name,
    layout,
    sizeBytes: source.sizeBytes,
    actorId,
  });
  try {
    const counts = await importRankings(db, { importId, source, layout, actorId });
    await finish(db, importId, { status: "finished", reason: null });
    return { importId, counts, faults: (await readRow(db, importId)).faults };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await finish(db, importId, { status: "failed", reason });
    throw error instanceof DataFileError ? new AppError("BAD_REQUEST", reason, { cause: error }) : error;
  }
}

/** The same file a second time would make each of its rankings count twice. */
async function refuseTwin(db: Db, { name, sizeBytes }: { name: string; sizeBytes: number }): Promise<void> {
  const [twin] = await db
    .select({ id: imports.id, createdAt: imports.createdAt })
    .from(imports)
    .where(and(eq(imports.kind, "rankings"), eq(imports.name, name), eq(imports.sizeBytes, sizeBytes)))
    .orderBy(desc(imports.createdAt))
    .limit(1);
  if (!twin) return;
  const at = `${twin.createdAt.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  throw new AppError(
    "CONFLICT",
    `A file ${name} of ${sizeBytes} bytes was imported on ${at} (import ${twin.id}). Nothing was read. Imported again, each of its rankings counts twice: add --again if that is meant.`,
  );
}

/** Newest first. */
export async function listImports(db: Db): Promise<Import[]> {
  return db
    .select({
      id: imports.id,
      name: imports.name,
      layout: imports.layout,
      status: imports.status,
      reason: imports.reason,
      sizeBytes: imports.sizeBytes,
      readBytes: imports.readBytes,
      counts: imports.counts,
      faults: imports.faults,
      createdBy: users.name,
      createdAt: imports.createdAt,
      endedAt: imports.endedAt,
    })
    .from(imports)
    .leftJoin(users, eq(users.id, imports.createdBy))
    .where(eq(imports.kind, "rankings"))
    .orderBy(desc(imports.createdAt))
    .limit(200);
}

/**
 * Takes an import back: its prompts, responses and rankings go. Snapshots made of them stay, and so do prompts that tasks of
 * other batches ask about: what labelers made of those is theirs.
 * @throws {AppError} NOT_FOUND; CONFLICT while it is read
 */
export async function removeImport(
  db: Db,
  { actorId, ...place }: Place & { actorId: string },
): Promise<void> {
  const row = await readRow(db, place.importId);
  if (row.status === "reading")
    throw new AppError("CONFLICT", "This import is being read. Wait for its end.");
  await removeRows(db, row.id);
  await db.transaction(async (tx) => {
    await tx.delete(imports).where(eq(imports.id, row.id));
    await appendAudit(tx, { actorId, action: "rankings.importRemoved", subject: row.id });
  });
  await fs.rm(fileOf(place), { force: true });
}

async function removeRows(db: Db, importId: string): Promise<void> {
  await db.transaction(async (tx) => {
    const made = tx.select({ id: batches.id }).from(batches).where(eq(batches.importId, importId));
    await tx.delete(rankingTasks).where(inArray(rankingTasks.batchId, made));
    await tx.delete(batches).where(eq(batches.importId, importId));
    const asked = tx.select({ one: sql`1` }).from(rankingTasks).where(eq(rankingTasks.promptId, prompts.id));
    await tx
      .update(prompts)
      .set({ importId: null })
      .where(and(eq(prompts.importId, importId), exists(asked)));
    await tx.delete(prompts).where(eq(prompts.importId, importId));
    await tx
      .update(imports)
      .set({ readBytes: 0, counts: sql`'{}'::jsonb`, faults: sql`'[]'::jsonb` })
      .where(eq(imports.id, importId));
  });
}

async function readRow(db: Db, importId: string) {
  const [row] = await db.select().from(imports).where(eq(imports.id, importId));
  if (!row) throw new AppError("NOT_FOUND", "There is no such import.");
  return row;
}
