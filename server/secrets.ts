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

/** Signs the audit log's head: a file of its own, because it outlives a change of the others. */
export const auditKeyFile = (dataFolder: string) => path.join(dataFolder, "audit-key.pem");

/** Reads the secrets, or makes them where there are none yet. @throws when the file is there but damaged */
export function loadSecrets(dataFolder: string): Secrets {
  const file = secretsFile(dataFolder);
  if (!fs.existsSync(file)) {
    const made: Secrets = { authSecret: randomBytes(32).toString("base64url") };
    writeSecretFile(file, `${JSON.stringify(made, null, 2)}\n`);
  }
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

/** For its owner alone; all or nothing, and never over a file that another process made in between. */
export function writeSecretFile(file: string, text: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${randomUUID()}`;
  const handle = fs.openSync(/* turbopackIgnore: true */ draft, "wx", 0o600);
  try {
    fs.writeFileSync(handle, text);
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
