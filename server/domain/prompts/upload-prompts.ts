/** @file Files of prompts that a lead uploads: in parts, each line by itself, unfit ones named and left out. */
import { and, eq, inArray, lt } from "drizzle-orm";
import { imports } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { addPrompt } from "./add-prompt";
import { type PromptLayout, readPromptLine } from "./read-prompt-line";

export type LineFault = { line: number; reason: string };

/** What became of a file's lines. */
export type UploadCounts = {
  lines: number;
  ready: number;
  duplicate: number;
  ownerLimit: number;
  tooLong: number;
  /** Lines that are no prompt. */
  unfit: number;
  /** Prompts in which personal data was masked. */
  masked: number;
};

const noCounts: UploadCounts = {
  lines: 0,
  ready: 0,
  duplicate: 0,
  ownerLimit: 0,
  tooLong: 0,
  unfit: 0,
  masked: 0,
};
/** Named in full up to here; the count goes on. */
const maxFaults = 100;
/** An upload nobody went on with has failed. */
const draftLifetimeMs = 24 * 60 * 60 * 1000;

export async function startUpload(
  db: Db,
  { name, layout, actorId }: { name: string; layout: PromptLayout; actorId: string },
): Promise<{ importId: string }> {
  const [row] = await db
    .insert(imports)
    .values({ name, kind: "prompts", layout, status: "receiving", counts: noCounts, createdBy: actorId })
    .returning({ id: imports.id });
  if (!row) throw new Error("The upload was not stored.");
  return { importId: row.id };
}

export type UploadState = { nextPart: number; counts: UploadCounts; faults: LineFault[] };

/**
 * Takes one part of a file: whole lines. A part that comes again changes nothing. `line` of a fault counts within the file.
 * @throws {AppError} CONFLICT for a part out of turn or an upload that has ended
 */
export async function addPromptLines(
  db: Db,
  { importId, part, text }: { importId: string; part: number; text: string },
): Promise<UploadState> {
  return db.transaction(async (tx) => {
    const upload = await lockUpload(tx, importId);
    const before = { nextPart: upload.nextPart, counts: upload.counts, faults: upload.faults };
    if (part < upload.nextPart) return before;
    if (part > upload.nextPart) {
      throw new AppError("CONFLICT", `Part ${part} came before part ${upload.nextPart}. Send that one next.`);
    }
    const after = await takeLines(tx, { ...upload, text });
    const changed = { ...after, nextPart: part + 1 };
    const sizeBytes = upload.sizeBytes + Buffer.byteLength(text);
    await tx
      .update(imports)
      .set({ ...changed, sizeBytes, readBytes: sizeBytes })
      .where(eq(imports.id, importId));
    return changed;
  });
}

type LockedUpload = UploadState & {
  id: string;
  layout: PromptLayout;
  createdBy: string | null;
  sizeBytes: number;
};

async function takeLines(
  tx: Tx,
  { id, layout, createdBy, text, ...upload }: LockedUpload & { text: string },
) {
  const counts = { ...upload.counts };
  const faults = [...upload.faults];
  // A part ends with a line end, which begins no line.
  for (const raw of text.replace(/\n$/, "").split("\n")) {
    counts.lines += 1;
    if (raw.trim() === "") continue;
    const read = readPromptLine(raw.trim(), layout);
    if ("reason" in read) {
      counts.unfit += 1;
      if (faults.length < maxFaults) faults.push({ line: counts.lines, reason: read.reason });
      continue;
    }
    const added = await addPrompt(tx, {
      ...read,
      group: read.group === null ? null : `${id} ${read.group}`,
      source: "upload",
      ownerId: null,
      importId: id,
      createdBy,
    });
    counts[added.removedBy ?? "ready"] += 1;
    if (Object.keys(added.masked).length > 0) counts.masked += 1;
  }
  return { counts, faults };
}

async function lockUpload(tx: Tx, importId: string): Promise<LockedUpload> {
  const [row] = await tx
    .select()
    .from(imports)
    .where(and(eq(imports.id, importId), eq(imports.kind, "prompts")))
    .for("update");
  if (!row) throw new AppError("NOT_FOUND", "There is no such upload.");
  if (row.status !== "receiving") throw new AppError("CONFLICT", "This upload has ended. Begin another one.");
  return {
    ...row,
    layout: row.layout === "text" ? "text" : "jsonl",
    counts: { ...noCounts, ...row.counts },
  };
}

/** Ends an upload. What was taken so far stays, also where it is given up. */
export async function finishUpload(
  db: Db,
  { importId, actorId }: { importId: string; actorId: string },
): Promise<UploadState> {
  return db.transaction(async (tx) => {
    const { nextPart, counts, faults } = await lockUpload(tx, importId);
    await tx.update(imports).set({ status: "finished", endedAt: new Date() }).where(eq(imports.id, importId));
    await appendAudit(tx, { actorId, action: "prompts.uploaded", subject: importId, details: { ...counts } });
    return { nextPart, counts, faults };
  });
}

/** Uploads of prompts and of histories that stopped half-way. @returns how many */
export async function sweepUploads(db: Db, now = new Date()): Promise<number> {
  const given = await db
    .update(imports)
    .set({ status: "failed", reason: "The upload was not ended.", endedAt: now })
    .where(
      and(
        inArray(imports.kind, ["prompts", "histories"]),
        inArray(imports.status, ["receiving", "reading"]),
        lt(imports.createdAt, new Date(now.getTime() - draftLifetimeMs)),
      ),
    )
    .returning({ id: imports.id });
  return given.length;
}
