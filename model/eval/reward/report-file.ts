/** @file A report beside a checkpoint's weights, read by its schema; where it does not fit, the file is named. */
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { CorruptFileError } from "../../checkpoint/errors";

/**
 * @returns null where there is no such file
 * @throws CorruptFileError where it cannot be read
 */
export async function readReportFile<T extends z.ZodType>(
  file: string,
  schema: T,
): Promise<z.output<T> | null> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw error;
  });
  if (text === null) return null;
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CorruptFileError(
    file,
    `it does not fit at ${issue?.path.join(".") || "its root"}: ${issue?.message}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
