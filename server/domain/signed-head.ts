/** @file The audit log's newest row, signed with a key that the database does not hold, and kept outside of it. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { Db } from "../db/db";
import { writeDurably } from "../db/durable-file";
import { log } from "../log";
import { auditKeyFile, writeSecretFile } from "../secrets";
import {
  type AuditHead,
  type AuditVerdict,
  canonicalJson,
  hasAuditHead,
  readAuditHead,
  verifyAudit,
  verifyAuditAfter,
} from "./audit";

/** In the data folder. Not in backups: a restored log has a head of its own. */
export const auditHeadName = "audit-head.json";

export const signedHeadSchema = z.object({
  id: z.int(),
  hash: z.string(),
  signedAt: z.iso.datetime(),
  /** First half of the public key's sha256, in hex. */
  key: z.string(),
  signature: z.string(),
});
export type SignedHead = z.infer<typeof signedHeadSchema>;

/** Made where there is none yet. @throws when the file is there but is no key */
export function loadAuditKey(dataFolder: string): KeyObject {
  const file = auditKeyFile(dataFolder);
  if (!fs.existsSync(file)) {
    const { privateKey } = generateKeyPairSync("ed25519");
    writeSecretFile(file, privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  }
  return createPrivateKey(fs.readFileSync(file));
}

export const publicKeyOf = (key: KeyObject) =>
  createPublicKey(key).export({ type: "spki", format: "pem" }).toString();

export const keyName = (publicKey: string) =>
  createHash("sha256").update(publicKey).digest("hex").slice(0, 32);

/** Ed25519 over canonical JSON, in base64. */
export const signValue = (key: KeyObject, value: unknown): string =>
  sign(null, Buffer.from(canonicalJson(value)), key).toString("base64");

export const isSigned = (publicKey: string, value: unknown, signature: string): boolean =>
  verify(null, Buffer.from(canonicalJson(value)), publicKey, Buffer.from(signature, "base64"));

export function signHead(dataFolder: string, { id, hash }: AuditHead, now = new Date()): SignedHead {
  const key = loadAuditKey(dataFolder);
  const fields = { id, hash, signedAt: now.toISOString(), key: keyName(publicKeyOf(key)) };
  return { ...fields, signature: signValue(key, fields) };
}

export function isOurHead(dataFolder: string, { signature, ...fields }: SignedHead): boolean {
  const publicKey = publicKeyOf(loadAuditKey(dataFolder));
  return fields.key === keyName(publicKey) && isSigned(publicKey, fields, signature);
}

/** Null where none was kept yet. @throws {Error} where the file is no signed head */
export function readKeptHead(dataFolder: string): SignedHead | null {
  const file = path.join(dataFolder, auditHeadName);
  if (!fs.existsSync(file)) return null;
  return signedHeadSchema.parse(JSON.parse(fs.readFileSync(file, "utf8")));
}

export type SignedVerdict =
  | (Extract<AuditVerdict, { ok: true }> & { kept: SignedHead | null })
  | Extract<AuditVerdict, { ok: false }>
  /** The kept head is not one that this server's key signed. */
  | { ok: false; rows: number; brokenAt: number; reason: "forged" };

/** Recomputes the chain, and compares it with the head that is kept outside the database. */
export async function verifySignedAudit(db: Db, dataFolder: string): Promise<SignedVerdict> {
  const kept = await readOrNull(dataFolder);
  if (kept === "damaged") return { ok: false, rows: 0, brokenAt: 0, reason: "forged" };
  if (kept && !isOurHead(dataFolder, kept))
    return { ok: false, rows: 0, brokenAt: kept.id, reason: "forged" };
  const verdict = await verifyAudit(db, kept ?? undefined);
  return verdict.ok ? { ...verdict, kept } : verdict;
}

async function readOrNull(dataFolder: string): Promise<SignedHead | null | "damaged"> {
  try {
    return readKeptHead(dataFolder);
  } catch {
    return "damaged";
  }
}

/**
 * Signs the newest row and keeps it, after a look that the log still goes on from the head kept before: a log that was
 * rewritten or cut is never signed over. @returns the head that is kept now
 */
export async function keepAuditHead(db: Db, dataFolder: string): Promise<SignedHead | null> {
  const kept = await readOrNull(dataFolder);
  const head = await readAuditHead(db);
  if (kept === "damaged" || (kept && !(await goesOnFrom(db, dataFolder, kept)))) {
    log.error({ kept, head }, "the audit log does not go on from its signed head: run `attune audit verify`");
    return kept === "damaged" ? null : kept;
  }
  if (!head || head.hash === kept?.hash) return kept;
  const signed = signHead(dataFolder, head);
  await writeDurably(path.join(dataFolder, auditHeadName), async (draft) => {
    await fs.promises.writeFile(draft, `${JSON.stringify(signed)}\n`, { mode: 0o600 });
  });
  return signed;
}

async function goesOnFrom(db: Db, dataFolder: string, kept: SignedHead): Promise<boolean> {
  if (!isOurHead(dataFolder, kept) || !(await hasAuditHead(db, kept))) return false;
  return (await verifyAuditAfter(db, kept)).ok;
}
