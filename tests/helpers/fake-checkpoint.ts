/** @file A checkpoint folder that is only a manifest: enough for the registry, and all the fake policy needs. */
import fs from "node:fs/promises";
import path from "node:path";
import { type Manifest, manifestFileName } from "@/model/checkpoint/manifest";

/** @returns the checkpoint's folder, inside `dataFolder`/models */
export async function writeFakeCheckpoint(
  dataFolder: string,
  name: string,
  fields: Partial<Manifest> = {},
): Promise<string> {
  const folder = path.join(dataFolder, "models", name);
  const manifest: Manifest = {
    formatVersion: 1,
    name,
    stage: "base",
    parent: null,
    run: null,
    datasetSha256: null,
    sourceRevision: `fake:${name}`,
    threadCount: null,
    files: {},
    ...fields,
  };
  await fs.mkdir(folder, { recursive: true });
  await fs.writeFile(path.join(folder, manifestFileName), JSON.stringify(manifest));
  return folder;
}
