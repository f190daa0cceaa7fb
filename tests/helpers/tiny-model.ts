/** @file The tiny model of the repository, as tests need it: its folder, or its files without the manifest. */
import fs from "node:fs/promises";
import path from "node:path";
import { projectRoot } from "@/server/project-root";

export const tinyModelFolder = path.join(projectRoot, "model", "tiny", "sft");

/** What a Hugging Face folder of the same model holds: everything but attune.json. */
export async function tinyModelFiles(): Promise<Record<string, Buffer>> {
  const names = (await fs.readdir(tinyModelFolder)).filter((name) => name !== "attune.json");
  const contents = await Promise.all(names.map((name) => fs.readFile(path.join(tinyModelFolder, name))));
  return Object.fromEntries(names.map((name, i) => [name, contents[i] ?? Buffer.alloc(0)]));
}
