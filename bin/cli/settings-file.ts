/** @file Settings of a stage from a file and from `--set`, for commands that let the server check them. */
import fs from "node:fs/promises";
import { z } from "zod";
import { applyOverrides, ConfigError } from "@/model/train/run-config";

/** @throws {ConfigError} when the file cannot be read or is no object */
export async function readSettings(
  file: string | undefined,
  overrides: readonly string[],
): Promise<Record<string, unknown>> {
  return applyOverrides(await readJsonFile(file), overrides);
}

/** An empty object where no file is named. @throws {ConfigError} */
export async function readJsonFile(file: string | undefined): Promise<Record<string, unknown>> {
  if (file === undefined) return {};
  const text = await fs.readFile(file, "utf8").catch((cause: unknown) => {
    throw new ConfigError(`${file} cannot be read`, { cause });
  });
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (cause) {
    throw new ConfigError(`${file} is no JSON object`, { cause });
  }
}
