/** @file Finds the base below an adapter by its id: in the checkpoint, beside it, or where the caller keeps models. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { manifestFileName } from "./manifest";

/** Where a checkpoint, or the folder of a run, has its lineage's base with it: a folder or a link to one. */
export const baseFolderName = "base";

/** The adapter is here; the weights it belongs to are not. */
export class BaseMissingError extends Error {
  override readonly name = "BaseMissingError";
  constructor(
    readonly folder: string,
    readonly base: { id: string; name: string },
    readonly searched: readonly string[],
  ) {
    super(
      `${folder} is an adapter over ${base.name}, and that base is not here: no ${manifestFileName} with the sha256 ` +
        `${base.id} in ${searched.join(", ")}. Fetch it (npx attune models pull, with the model's hub id or file; the ` +
        `models page of the server it was trained on has both in one download), or put its folder at ${path.join(folder, baseFolderName)}.`,
    );
  }
}

/**
 * The folder whose attune.json has the sha256 `base.id`. It is looked for as `base` in the checkpoint's folder and the two
 * above it (a run keeps `base` beside `checkpoints/`), beside the checkpoint, and in `places`.
 * @param places checkpoints, or folders of checkpoints
 * @throws BaseMissingError naming the base and where it was looked for
 */
export async function findLineageBase(
  folder: string,
  base: { id: string; name: string },
  places: readonly string[],
): Promise<string> {
  const here = path.resolve(folder);
  const beside = path.dirname(here);
  const near = [here, beside, path.dirname(beside)].map((each) => path.join(each, baseFolderName));
  for (const candidate of near) if ((await idOf(candidate)) === base.id) return candidate;
  const searched = [...new Set([beside, ...places.map((place) => path.resolve(place))])];
  for (const place of searched) {
    const found = await findIn(place, base.id);
    if (found !== null) return found;
  }
  throw new BaseMissingError(folder, base, [...near, ...searched]);
}

/** A server names folders by the id; elsewhere each is asked. */
async function findIn(place: string, id: string): Promise<string | null> {
  const names: string[] = await readdir(place).catch(() => []);
  const candidates = [place, ...(names.includes(id) ? [id] : names).map((name) => path.join(place, name))];
  for (const candidate of candidates) if ((await idOf(candidate)) === id) return candidate;
  return null;
}

/** A manifest of the most files a checkpoint may have is far below it. */
const largestManifestBytes = 2 ** 20;

/** Null where there is no checkpoint. */
async function idOf(folder: string): Promise<string | null> {
  const file = path.join(folder, manifestFileName);
  const found = await stat(file).catch(() => null);
  if (!found?.isFile() || found.size > largestManifestBytes) return null;
  const bytes = await readFile(file).catch(() => null);
  return bytes && createHash("sha256").update(bytes).digest("hex");
}
