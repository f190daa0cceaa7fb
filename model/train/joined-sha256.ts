/** @file What tells the data of a run that has several sets of files: the sha256 of theirs. */
import { createHash } from "node:crypto";

/** Of one set it is that set's own. @param parts sha256 in hex */
export function joinedSha256(parts: readonly string[]): string {
  const [only] = parts;
  if (parts.length === 1 && only) return only;
  return createHash("sha256").update(parts.join("\n")).digest("hex");
}
