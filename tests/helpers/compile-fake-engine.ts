/** @file Compiles tests/helpers/fake-engine.ts for a test that starts real engine processes. */
import path from "node:path";
import { build } from "esbuild";

/** @returns path of the compiled entry, inside `folder` */
export async function compileFakeEngine(folder: string): Promise<string> {
  const outfile = path.join(folder, "fake-engine.mjs");
  await build({
    entryPoints: [path.join(import.meta.dirname, "fake-engine.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "silent",
  });
  return outfile;
}
