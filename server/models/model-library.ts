/** @file data/models: the checkpoints this machine holds. A folder without its manifest is unfinished and not in it. */
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { type Manifest, manifestFileName, manifestSchema } from "@/model/checkpoint/manifest";
import { projectRoot } from "../project-root";
import { ModelSourceError } from "./model-report";

export type LibraryModel = {
  /** Folder name; what `attune models remove` takes. */
  key: string;
  folder: string;
  /** sha256 of attune.json. */
  checkpointId: string;
  name: string;
  stage: Manifest["stage"];
  sizeBytes: number;
  isToy: boolean;
};

export const modelsFolder = (dataFolder: string): string => path.join(dataFolder, "models");

/** Where the base of an adapter may lie on this machine: models, checkpoints of runs, and the tiny models that ship. */
export const basePlaces = (dataFolder: string): string[] => [
  modelsFolder(dataFolder),
  path.join(dataFolder, "artifacts", "checkpoints"),
  tinyFolder,
];

/** Unfinished downloads, kept so that the next try goes on from there. */
export const incomingFolder = (dataFolder: string, key: string): string =>
  path.join(modelsFolder(dataFolder), ".incoming", key);

/** All whole models of the data folder, newest first. */
export async function listModels(dataFolder: string): Promise<LibraryModel[]> {
  const folder = modelsFolder(dataFolder);
  const entries = await fs.readdir(folder).catch(() => []);
  const models = await Promise.all(
    entries.filter((key) => !key.startsWith(".")).map((key) => readModel(path.join(folder, key))),
  );
  return models
    .filter((model) => model !== null)
    .sort((a, b) => b.writtenAt - a.writtenAt)
    .map(({ writtenAt: _, ...model }) => model);
}

/** Null when the folder has no manifest, that is: was never finished. */
export async function readModel(folder: string): Promise<(LibraryModel & { writtenAt: number }) | null> {
  const file = path.join(folder, manifestFileName);
  const bytes = await fs.readFile(file).catch(() => null);
  if (bytes === null) return null;
  const parsed = manifestSchema.safeParse(parseJson(bytes));
  if (!parsed.success) {
    throw new ModelSourceError(
      `${file} is no manifest of a checkpoint (${parsed.error.issues[0]?.message}). ` +
        `Remove the folder ${folder} and run \`npx attune models pull\`.`,
    );
  }
  const manifest = parsed.data;
  return {
    key: path.basename(folder),
    folder,
    checkpointId: createHash("sha256").update(bytes).digest("hex"),
    name: manifest.name,
    stage: manifest.stage,
    sizeBytes: Object.values(manifest.files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    isToy: isInside(tinyFolder, folder),
    writtenAt: (await fs.stat(file)).mtimeMs,
  };
}

const tinyFolder = path.join(projectRoot, "model", "tiny");

/** The most trained of the tiny models that lie in the repository. */
export async function tinyModel(): Promise<LibraryModel | null> {
  for (const stage of ["ppo", "sft", "base"]) {
    const model = await readModel(path.join(tinyFolder, stage));
    if (model) return model;
  }
  return null;
}

/**
 * Deletes one model. The manifest goes first: what an interruption leaves is no model any more.
 * @param isInUse why the checkpoint must stay ("channel live serves it"), or null
 * @throws {ModelSourceError} when there is no such model or it is in use
 */
export async function removeModel(
  dataFolder: string,
  key: string,
  isInUse: (checkpointId: string) => Promise<string | null>,
): Promise<LibraryModel> {
  const models = await listModels(dataFolder);
  const model = models.find((candidate) => candidate.key === key || candidate.name === key);
  if (!model) {
    const known = models.map((candidate) => candidate.key).join(", ") || "none";
    throw new ModelSourceError(`There is no model "${key}" in ${modelsFolder(dataFolder)}. Known: ${known}.`);
  }
  const reason = await isInUse(model.checkpointId);
  if (reason) {
    throw new ModelSourceError(`${model.key} stays: ${reason}. Change that first.`);
  }
  await fs.rm(path.join(model.folder, manifestFileName));
  await fs.rm(model.folder, { recursive: true, force: true });
  return model;
}

function isInside(parent: string, child: string): boolean {
  const relative = path.relative(parent, child);
  return relative !== "" && !relative.startsWith("..") && !path.isAbsolute(relative);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
}
