/** @file Compiles the fake engine and the fake scorer for tests that start real processes of them. */
import path from "node:path";
import { build } from "esbuild";

/** @returns path of the compiled entry, inside `folder` */
export const compileFakeEngine = (folder: string) => compile("fake-engine", folder);
/** @returns as {@link compileFakeEngine} */
export const compileFakeScorer = (folder: string) => compile("fake-scorer", folder);

async function compile(name: string, folder: string): Promise<string> {
  const outfile = path.join(folder, `${name}.mjs`);
  await build({
    entryPoints: [path.join(import.meta.dirname, `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "silent",
  });
  return outfile;
}
