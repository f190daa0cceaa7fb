/** @file Where the project lies, found from the source tree and from dist/ alike. */
import fs from "node:fs";
import path from "node:path";

/** Absolute path of the folder that holds package.json, the migrations and the tiny model. */
export const projectRoot = findUpwards(import.meta.dirname ?? process.cwd());

function findUpwards(start: string): string {
  for (let folder = start; ; folder = path.dirname(folder)) {
    // Without the note Next's bundler takes the whole project for something the pages read.
    if (fs.existsSync(path.join(/* turbopackIgnore: true */ folder, "next.config.js"))) return folder;
    if (folder === path.dirname(folder)) return process.cwd();
  }
}
