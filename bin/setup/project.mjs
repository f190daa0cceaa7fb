/** @file Where things lie in this project, for the scripts that run before anything is installed. */
import path from "node:path";

export const root = path.resolve(import.meta.dirname, "..", "..");

/** @param {...string} parts */
export const inProject = (...parts) => path.join(root, ...parts);

/** Compiled processes: dist/serve.js, dist/engine.js, dist/attune.js, … */
export const distFolder = inProject("dist");
