/** @file A model card for each promotion: what the policy was made from, who decided, on what evidence; signed, for keeps. */
import fs from "node:fs/promises";
import path from "node:path";
import { and, count, countDistinct, eq, inArray, isNull } from "drizzle-orm";
import { z } from "zod";
import {
  checkpoints,
  datasetRows,
  datasets,
  promotionRequests,
  promotions,
  rankings,
  runs,
  snapshotRankings,
  users,
} from "@/drizzle/schema";
import { manifestSchema } from "@/model/checkpoint/manifest";
import type { Db } from "../../db/db";
import { writeDurably } from "../../db/durable-file";
import { AppError } from "../../errors";
import { hasAuditHead } from "../audit";
import { readLineage } from "../checkpoints";
import { listCheckpointsBehind, listDatasetsOf } from "../learned-from";
import {
  isOurHead,
  isSigned,
  keepAuditHead,
  keyName,
  loadAuditKey,
  publicKeyOf,
  type SignedHead,
  signedHeadSchema,
  signValue,
  verifySignedAudit,
} from "../signed-head";
import type { KeptDecision } from "./requests";

export type ModelCard = {
  format: "attune-model-card-1";
  madeAt: string;
  checkpoint: {
    id: string;
    name: string;
    stage: string;
    sizeBytes: number;
    /** sha256 by file. */
    files: Record<string, string>;
  };
  promotion: {
    number: number;
    channel: string;
    kind: string;
    at: string;
    reason: string;
    /**
     * By role and in the order of acting, for a card is handed out: “admin 1”, the same person by the same number. Who they are
     * stands in the audit log. Null: nobody, there was no request.
     */
    requestedBy: string | null;
    /** Null: the server itself, or somebody at the machine. */
    decidedBy: string | null;
    approvedBy: string[];
    replaced: string | null;
  };
  lineage: { id: string; name: string; stage: string; sourceRevision: string | null }[];
  runs: { number: number; name: string; stage: string; config: unknown }[];
  data: {
    name: string;
    kind: string;
    sha256: string | null;
    rows: number;
    erasedRows: number;
    /** As whoever made it said: where it comes from, under what licence. */
    description: string;
  }[];
  rankings: number;
  labelers: number;
  /** Null: nothing was measured or asked. */
  evidence: unknown;
  gates: { title: string; outcome: string; says: string; reason: string | null }[];
  licence: string;
  /** Null: there is none, or the log does not verify. */
  auditHead: SignedHead | null;
  publicKey: string;
};

export type SignedCard = { card: ModelCard; signature: string };

const cardFile = (dataFolder: string, promotionId: number) =>
  path.join(dataFolder, "artifacts", "cards", `${promotionId}.json`);

/** By file: who asks while it is made gets the same. */
const making = new Map<string, Promise<SignedCard>>();

/** Made when it is first asked for, and the same ever after. @throws {AppError} NOT_FOUND */
export function readModelCard(db: Db, promotionId: number, dataFolder: string): Promise<SignedCard> {
  const file = cardFile(dataFolder, promotionId);
  const begun = making.get(file);
  if (begun) return begun;
  const made = findOrMake(db, promotionId, dataFolder).finally(() => making.delete(file));
  making.set(file, made);
  return made;
}

async function findOrMake(db: Db, promotionId: number, dataFolder: string): Promise<SignedCard> {
  const [promotion] = await db.select().from(promotions).where(eq(promotions.id, promotionId));
  if (!promotion) throw new AppError("NOT_FOUND", "There is no such promotion.");
  const file = cardFile(dataFolder, promotionId);
  const text = await fs.readFile(file, "utf8").catch(() => null);
  const kept = text === null ? null : (JSON.parse(text) as SignedCard);
  if (kept && isOf(kept, promotion)) return kept;
  const card = await describePromotion(db, promotionId, dataFolder);
  const signed = { card, signature: signValue(loadAuditKey(dataFolder), card) };
  await writeDurably(file, (draft) => fs.writeFile(draft, `${JSON.stringify(signed, null, 2)}\n`));
  return signed;
}

/** After a restore a number may be that of another promotion. */
const isOf = ({ card }: SignedCard, { checkpointId, at }: typeof promotions.$inferSelect) =>
  card.checkpoint.id === checkpointId && card.promotion.at === at.toISOString();

async function describePromotion(db: Db, promotionId: number, dataFolder: string): Promise<ModelCard> {
  const [row] = await db
    .select({ promotion: promotions, checkpoint: checkpoints, request: promotionRequests })
    .from(promotions)
    .innerJoin(checkpoints, eq(checkpoints.id, promotions.checkpointId))
    .leftJoin(promotionRequests, eq(promotionRequests.id, promotions.requestId))
    .where(eq(promotions.id, promotionId));
  if (!row) throw new AppError("NOT_FOUND", "There is no such promotion.");
  const { promotion, checkpoint, request } = row;
  const decision = promotion.evidence as Partial<KeptDecision> | null;
  const approvers = (decision?.approvals ?? []).filter(({ holds }) => holds).map(({ actorId }) => actorId);
  const nameOf = await nameByRole(db, [request?.requestedBy, ...approvers, promotion.actorId]);
  const manifest = manifestSchema.parse(checkpoint.manifest);
  const behind = await listCheckpointsBehind(db, checkpoint.id);
  const data = await readData(db, await listDatasetsOf(db, behind));
  return {
    format: "attune-model-card-1",
    madeAt: new Date().toISOString(),
    checkpoint: {
      id: checkpoint.id,
      name: checkpoint.name,
      stage: checkpoint.stage,
      sizeBytes: checkpoint.sizeBytes,
      files: Object.fromEntries(Object.entries(manifest.files).map(([name, { sha256 }]) => [name, sha256])),
    },
    promotion: {
      number: promotion.id,
      channel: promotion.channel,
      kind: promotion.kind,
      at: promotion.at.toISOString(),
      reason: promotion.reason,
      requestedBy: request && nameOf(request.requestedBy),
      decidedBy: promotion.actorId === null ? null : nameOf(promotion.actorId),
      approvedBy: approvers.map(nameOf),
      replaced: promotion.previousId,
    },
    lineage: (await readLineage(db, checkpoint.id)).map(({ id, name, stage, sourceRevision }) => ({
      id,
      name,
      stage,
      sourceRevision,
    })),
    runs: await db
      .selectDistinct({ number: runs.number, name: runs.name, stage: runs.stage, config: runs.config })
      .from(runs)
      .innerJoin(checkpoints, eq(checkpoints.runId, runs.id))
      .where(inArray(checkpoints.id, behind))
      .orderBy(runs.number),
    ...data,
    evidence: decision?.evidence ?? null,
    gates: (decision?.gates ?? []).map(({ title, outcome, says, override }) => ({
      title,
      outcome,
      says,
      reason: override?.reason ?? null,
    })),
    licence:
      "That of its base and of its data, as said above by whoever made each; this server adds no terms of its own.",
    auditHead: await readVerifiedHead(db, dataFolder),
    publicKey: publicKeyOf(loadAuditKey(dataFolder)),
  };
}

/** A head over a log that was changed would vouch for the change. */
async function readVerifiedHead(db: Db, dataFolder: string): Promise<SignedHead | null> {
  const { ok } = await verifySignedAudit(db, dataFolder);
  return ok ? keepAuditHead(db, dataFolder) : null;
}

/** @param ids of people, in the order of what they did */
async function nameByRole(db: Db, ids: readonly (string | null | undefined)[]) {
  const acted = [...new Set(ids.filter((id) => id !== null && id !== undefined))];
  const known =
    acted.length === 0 ? [] : await db.select({ id: users.id }).from(users).where(inArray(users.id, acted));
  return (id: string | null): string =>
    id !== null && known.some((row) => row.id === id)
      ? `admin ${acted.indexOf(id) + 1}`
      : "an account since deleted";
}

async function readData(
  db: Db,
  datasetIds: string[],
): Promise<Pick<ModelCard, "data" | "rankings" | "labelers">> {
  if (datasetIds.length === 0) return { data: [], rankings: 0, labelers: 0 };
  const rows = await db
    .select()
    .from(datasets)
    .where(inArray(datasets.id, datasetIds))
    .orderBy(datasets.name);
  const erased = await db
    .select({ datasetId: datasetRows.datasetId, n: count() })
    .from(datasetRows)
    .where(and(inArray(datasetRows.datasetId, datasetIds), isNull(datasetRows.content)))
    .groupBy(datasetRows.datasetId);
  const [ranked] = await db
    .select({ rankings: count(), labelers: countDistinct(rankings.pseudonym) })
    .from(snapshotRankings)
    .innerJoin(rankings, eq(rankings.id, snapshotRankings.rankingId))
    .where(inArray(snapshotRankings.datasetId, datasetIds));
  return {
    data: rows.map(({ id, name, kind, sha256, rowCount, description }) => ({
      name,
      kind,
      sha256,
      rows: rowCount,
      erasedRows: erased.find(({ datasetId }) => datasetId === id)?.n ?? 0,
      description,
    })),
    rankings: ranked?.rankings ?? 0,
    labelers: ranked?.labelers ?? 0,
  };
}

const cardSchema = z.object({
  card: z.looseObject({
    format: z.literal("attune-model-card-1"),
    auditHead: signedHeadSchema.nullable(),
    publicKey: z.string(),
  }),
  signature: z.string(),
});

export type CardVerdict = {
  /** Its words are as this server signed them. */
  isWhole: boolean;
  /** The log still holds the row that was its head when the card was made. Null: it names none. */
  isInLog: boolean | null;
  key: string;
};

/** A card that somebody kept, against this log: what was rewritten since shows. @throws {AppError} BAD_REQUEST for no card */
export async function verifyCardFile(db: Db, file: string, dataFolder: string): Promise<CardVerdict> {
  const text = await fs.readFile(file, "utf8").catch(() => {
    throw new AppError("NOT_FOUND", `There is no file ${file}.`);
  });
  const parsed = cardSchema.safeParse(parseJson(text));
  if (!parsed.success) throw new AppError("BAD_REQUEST", `${file} is no model card of Attune.`);
  const { card, signature } = parsed.data;
  const { auditHead, publicKey } = card;
  const isOurs = publicKey === publicKeyOf(loadAuditKey(dataFolder));
  const isHeadSigned = auditHead === null || isOurHead(dataFolder, auditHead);
  return {
    isWhole: isOurs && isSigned(publicKey, card, signature) && isHeadSigned,
    isInLog: auditHead && (await hasAuditHead(db, auditHead)),
    key: keyName(publicKey),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The same for people. The JSON is what is signed. */
export function cardMarkdown({ card, signature }: SignedCard): string {
  const { checkpoint, promotion } = card;
  const list = (lines: string[], none: string) =>
    lines.length > 0 ? lines.map((line) => `- ${line}`) : [none];
  return `${[
    `# ${checkpoint.name}`,
    `Checkpoint \`${checkpoint.id}\` (${checkpoint.stage}, ${(checkpoint.sizeBytes / 1e6).toFixed(1)} MB).`,
    "## Decision",
    `${promotion.kind} on ${promotion.channel} at ${promotion.at}: ${promotion.reason || "no reason was given"}`,
    ...list(
      [
        `Asked for by ${promotion.requestedBy ?? "nobody"}, carried out by ${promotion.decidedBy ?? "the server"}`,
        ...promotion.approvedBy.map((name) => `Approved by ${name}`),
      ],
      "",
    ),
    "## Gates",
    ...list(
      card.gates.map(
        ({ title, outcome, says, reason }) =>
          `${title}: ${outcome}, ${says}${reason ? ` (set aside: ${reason})` : ""}`,
      ),
      "None was looked at.",
    ),
    "## Lineage",
    ...list(
      card.lineage.map(({ name, stage, id }) => `${name} (${stage}) \`${id.slice(0, 12)}\``),
      "Unknown.",
    ),
    "## Training",
    ...list(
      card.runs.map(({ number, stage, name }) => `Run ${number}, ${stage}: ${name}`),
      "No run of this server.",
    ),
    "## Data",
    `${card.rankings} rankings by ${card.labelers} labelers.`,
    ...list(
      card.data.map(
        ({ name, kind, rows, erasedRows, sha256, description }) =>
          `${name} (${kind}): ${rows} rows${erasedRows ? `, ${erasedRows} erased since` : ""}, sha256 ${sha256 ?? "none"}. ${description}`,
      ),
      "No data of this server.",
    ),
    "## Licence",
    card.licence,
    "## Signature",
    card.auditHead
      ? `Audit log: row ${card.auditHead.id}, ${card.auditHead.hash}`
      : "The audit log was empty, or did not verify.",
    `Ed25519 over the JSON form, by key ${keyName(card.publicKey)}: \`${signature}\``,
  ].join("\n\n")}\n`;
}
