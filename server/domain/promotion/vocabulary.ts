/**
 * @file Whether a candidate reads text by another vocabulary than the live policy. Token ids and log-probabilities that are stored
 * with answers are those of the checkpoint that wrote each; conversations are handed on as text.
 */
import { and, count, inArray, isNotNull } from "drizzle-orm";
import { checkpoints, messages } from "@/drizzle/schema";
import { manifestSchema } from "@/model/checkpoint/manifest";
import type { Db, Tx } from "../../db/db";

export type OtherVocabulary = {
  /** Answers with token ids that mean nothing, or something else, to the candidate. */
  storedAnswers: number;
};

/** Null: the same, or nobody can tell: one of the two names no tokenizer. */
export async function compareVocabulary(
  db: Db | Tx,
  { candidateId, opponentId }: { candidateId: string; opponentId: string | null },
): Promise<OtherVocabulary | null> {
  if (opponentId === null) return null;
  const rows = await db.select({ id: checkpoints.id, manifest: checkpoints.manifest }).from(checkpoints);
  const tokenizers = new Map(rows.map(({ id, manifest }) => [id, tokenizerOf(manifest)]));
  const [own, other] = [tokenizers.get(candidateId), tokenizers.get(opponentId)];
  if (!own || !other || own === other) return null;
  const strangers = [...tokenizers].filter(([, sha256]) => sha256 && sha256 !== own).map(([id]) => id);
  const [stored] = await db
    .select({ n: count() })
    .from(messages)
    .where(and(inArray(messages.checkpointId, strangers), isNotNull(messages.tokenIds)));
  return { storedAnswers: stored?.n ?? 0 };
}

function tokenizerOf(manifest: unknown): string | null {
  const parsed = manifestSchema.safeParse(manifest);
  return parsed.success ? (parsed.data.files["tokenizer.json"]?.sha256 ?? null) : null;
}
