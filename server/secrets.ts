/** @file Secrets made at the first start and kept in one file that only its owner can read. */
import { randomBytes, randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { z } from "zod";

const secrets = z.object({
  /** Signs session cookies. */
  authSecret: z.string().min(32),
});
export type Secrets = z.infer<typeof secrets>;

export const secretsFile = (dataFolder: string) => path.join(dataFolder, "secrets.json");

/** Reads the secrets, or makes them where there are none yet. @throws when the file is there but damaged */
export function loadSecrets(dataFolder: string): Secrets {
  const file = secretsFile(dataFolder);
  if (!fs.existsSync(file)) writeSecrets(file, { authSecret: randomBytes(32).toString("base64url") });
  const parsed = secrets.safeParse(readJson(file));
  if (parsed.success) return parsed.data;
  throw new Error(
    `${file} is damaged. Restore it from a backup, or remove it: a new one is made, and everyone signs in again.`,
  );
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** All or nothing, and never over a file that another process made in between. */
function writeSecrets(file: string, value: Secrets): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${randomUUID()}`;
  const handle = fs.openSync(/* turbopackIgnore: true */ draft, "wx", 0o600);
  try {
    fs.writeFileSync(handle, `${JSON.stringify(value, null, 2)}\n`);
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
  try {
    fs.linkSync(draft, file);
  } catch (error) {
    if (!fs.existsSync(file)) throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}
