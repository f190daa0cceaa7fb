/** @file What a worker says it is made of. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { projectRoot } from "@/server/project-root";

export function attuneVersions(): Record<string, string> {
  const file = path.join(projectRoot, "package.json");
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, "utf8")));
  return { attune: version, node: process.versions.node };
}
