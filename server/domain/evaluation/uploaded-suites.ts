/** @file Suites that an admin uploaded: checked by the reader that measures them, kept by their sha256, deleted while nothing refers to them. */
import fs from "node:fs/promises";
import path from "node:path";
import { asc, desc, eq } from "drizzle-orm";
import { runSuites, runs, suites, users } from "@/drizzle/schema";
import { DataFileError } from "@/model/data/read-lines";
import { shippedSuites } from "@/model/eval/suites/shipped-suites";
import { itemsFile, readSuite, type Suite, SuiteError, suiteFile } from "@/model/eval/suites/suite";
import type { Db } from "../../db/db";
import { writeDurably } from "../../db/durable-file";
import { AppError } from "../../errors";
import { projectRoot } from "../../project-root";
import { appendAudit } from "../audit";
import { isCaseSuite } from "../cases/case-suites";
import { type ArchivedFile, readArchive } from "./read-archive";

export const suiteFiles = [suiteFile, itemsFile] as const;
export const suiteFolder = (dataFolder: string, suiteId: string) =>
  path.join(dataFolder, "artifacts", "suites", suiteId);

type Upload = { archive: Buffer; dataFolder: string; actorId: string };

/**
 * @returns its id and name
 * @throws {AppError} BAD_REQUEST naming file, line and field of what is wrong with it; CONFLICT for one that is here
 */
export async function uploadSuite(
  db: Db,
  { archive, dataFolder, actorId }: Upload,
): Promise<{ suiteId: string; name: string }> {
  const files = pickFiles(await readArchive(archive));
  const draft = await fs.mkdtemp(path.join(await makeFolder(dataFolder), ".incoming-"));
  try {
    for (const name of suiteFiles) await fs.writeFile(path.join(draft, name), files[name]);
    const suite = await readUploaded(draft);
    await refuseTaken(db, suite);
    const folder = suiteFolder(dataFolder, suite.sha256);
    // Without a row it was left by an upload that did not end.
    await fs.rm(folder, { recursive: true, force: true });
    await writeDurably(folder, (target) => fs.cp(draft, target, { recursive: true }));
    const sizeBytes = suiteFiles.reduce((sum, name) => sum + files[name].length, 0);
    await storeSuite(db, { suite, sizeBytes, actorId });
    return { suiteId: suite.sha256, name: suite.name };
  } finally {
    await fs.rm(draft, { recursive: true, force: true });
  }
}

async function makeFolder(dataFolder: string): Promise<string> {
  const folder = path.join(dataFolder, "artifacts", "suites");
  await fs.mkdir(folder, { recursive: true });
  return folder;
}

function pickFiles(files: readonly ArchivedFile[]): Record<(typeof suiteFiles)[number], Buffer> {
  const pick = (name: string): Buffer => {
    const found = files.filter((file) => path.posix.basename(file.name) === name);
    const [only] = found;
    if (only && found.length === 1) return only.bytes;
    const fact = only ? `there are ${found.length} of ${name}` : `there is no ${name}`;
    throw new AppError("BAD_REQUEST", `A suite is ${suiteFiles.join(" and ")}: ${fact}.`);
  };
  return { [suiteFile]: pick(suiteFile), [itemsFile]: pick(itemsFile) };
}

/** Its faults are told by the names of its files: where they lie here says nothing to anybody. */
async function readUploaded(folder: string): Promise<Suite> {
  try {
    return await readSuite(folder);
  } catch (cause) {
    if (!(cause instanceof SuiteError || cause instanceof DataFileError)) throw cause;
    throw new AppError("BAD_REQUEST", cause.message.replaceAll(`${folder}${path.sep}`, ""), { cause });
  }
}

async function refuseTaken(db: Db, { name, sha256 }: Suite): Promise<void> {
  if (shippedSuites.some((each) => each === name) || isCaseSuite(name))
    throw new AppError("CONFLICT", `${suiteFile}: name: “${name}” is Attune's own. Give it another one.`);
  const [known] = await db.select().from(suites).where(eq(suites.id, sha256));
  if (known)
    throw new AppError("CONFLICT", `The suite “${known.name}” is here already, with the same items.`);
}

async function storeSuite(
  db: Db,
  { suite, sizeBytes, actorId }: { suite: Suite; sizeBytes: number; actorId: string },
): Promise<void> {
  const { sha256, name, title, metric, items } = suite;
  await db.transaction(async (tx) => {
    await tx
      .insert(suites)
      .values({ id: sha256, name, title, metric, itemCount: items.length, sizeBytes, createdBy: actorId });
    const details = { name, items: items.length };
    await appendAudit(tx, { actorId, action: "suite.uploaded", subject: sha256, details });
  });
}

export type ListedSuite = {
  name: string;
  title: string;
  metric: string;
  itemCount: number;
  /** Null: it ships. */
  upload: { id: string; createdAt: Date; createdBy: string | null; isNewest: boolean; runs: number[] } | null;
};

/** Those that ship, then the others by name, newest first. */
export async function listSuites(db: Db): Promise<ListedSuite[]> {
  const rows = await db
    .select({ suite: suites, by: users.name })
    .from(suites)
    .leftJoin(users, eq(users.id, suites.createdBy))
    .orderBy(asc(suites.name), desc(suites.createdAt));
  const uses = await db
    .select({ suiteId: runSuites.suiteId, number: runs.number })
    .from(runSuites)
    .innerJoin(runs, eq(runs.id, runSuites.runId))
    .orderBy(asc(runs.number));
  const uploaded = rows.map(({ suite: { id, createdAt, createdBy: _, sizeBytes: __, ...suite }, by }, i) => ({
    ...suite,
    upload: {
      id,
      createdAt,
      createdBy: by,
      isNewest: rows.findIndex((each) => each.suite.name === suite.name) === i,
      runs: uses.filter(({ suiteId }) => suiteId === id).map(({ number }) => number),
    },
  }));
  return [...(await readShipped()), ...uploaded];
}

/** They do not change while the server runs. */
let shipped: Promise<ListedSuite[]> | null = null;

function readShipped(): Promise<ListedSuite[]> {
  shipped ??= Promise.all(
    shippedSuites.map(async (folder) => {
      const { name, title, metric, items } = await readSuite(
        path.join(projectRoot, "model", "suites", folder),
      );
      return { name, title, metric, itemCount: items.length, upload: null };
    }),
  );
  return shipped;
}

/** @throws {AppError} NOT_FOUND; CONFLICT naming the runs that measure it */
export async function deleteSuite(
  db: Db,
  { suiteId, dataFolder, actorId }: { suiteId: string; dataFolder: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    // Locked: a run that would refer to it waits, and finds it gone.
    const [suite] = await tx.select().from(suites).where(eq(suites.id, suiteId)).for("update");
    if (!suite) throw new AppError("NOT_FOUND", "There is no such suite.");
    const uses = await tx
      .select({ number: runs.number })
      .from(runSuites)
      .innerJoin(runs, eq(runs.id, runSuites.runId))
      .where(eq(runSuites.suiteId, suiteId))
      .orderBy(asc(runs.number));
    const numbers = uses.map(({ number }) => number).join(", ");
    if (uses.length > 0)
      throw new AppError(
        "CONFLICT",
        `“${suite.name}” stays: ${uses.length === 1 ? "run" : "runs"} ${numbers} measured it.`,
      );
    await tx.delete(suites).where(eq(suites.id, suiteId));
    const details = { name: suite.name };
    await appendAudit(tx, { actorId, action: "suite.deleted", subject: suiteId, details });
  });
  await fs.rm(suiteFolder(dataFolder, suiteId), { recursive: true, force: true });
}
