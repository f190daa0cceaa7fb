/** @file The Python that `npm run test:torch` made, for the peers of bench/peers. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** @throws {Error} when it is not there, with the remedy */
export function torchPython(): string {
  const environment =
    process.env.ATTUNE_TORCH_VENV || path.join(os.homedir(), ".cache", "attune", "torch-venv");
  const python = path.join(environment, "bin", "python");
  if (fs.existsSync(python)) return python;
  throw new Error(`${python} is missing: npm run test:torch makes it, or set ATTUNE_TORCH_VENV`);
}
