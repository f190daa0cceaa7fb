/** @file Whether a checkpoint that is announced is one of the run it is announced for. */
import { eq } from "drizzle-orm";
import { datasets, runDatasets } from "@/drizzle/schema";
import { type Manifest, manifestFileName, manifestSchema } from "@/model/checkpoint/manifest";
import type { Db } from "../db/db";
import { findLineageBaseId, stateFolder } from "./artifacts";
import type { OpenUploadRequest } from "./protocol";
import { hashDatasets } from "./run-inputs";
import { isTrainable, stageSettings } from "./stage-settings";
import type { RunRow } from "./steer-run";
import { WorkerError } from "./worker-error";

const maxCheckpointFiles = 200;

/** @throws {WorkerError} invalid, naming the field and what it must be */
export async function readOwnManifest(
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
  await refuseOtherLineage(db, run, manifest);
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

/** An adapter is over the base of the lineage that the run goes on with, or over the run's base if that one is bare. */
async function refuseOtherLineage(db: Db, run: RunRow, { lineageBase }: Manifest): Promise<void> {
  if (lineageBase === undefined) return;
  const { baseCheckpointId } = run;
  const expected = baseCheckpointId && ((await findLineageBaseId(db, baseCheckpointId)) ?? baseCheckpointId);
  if (lineageBase === expected) return;
  throw new WorkerError(
    "invalid",
    `${manifestFileName} says lineageBase ${lineageBase}; the base of this run's lineage is ${expected}.`,
  );
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
