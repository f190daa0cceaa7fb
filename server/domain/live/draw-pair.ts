/** @file Whether a question gets two drafts: of those who agreed, by chance, and seldom enough. */
import { randomInt } from "node:crypto";
import { and, count, desc, eq, gt, gte } from "drizzle-orm";
import { conversations, draftPairs, messages } from "@/drizzle/schema";
import type { Tx } from "../../db/db";
import type { Generation } from "../../generation/generation";
import { isUsableConversation } from "../usable-conversations";
import { type ComparisonRow, comparisonChannel, findComparison } from "./close-comparison";

export type DrawnPair = {
  comparisonId: string;
  challenger: { checkpointId: string; channel: string };
  isChallengerFirst: boolean;
  seed: number;
};

type Asked = {
  userId: string;
  conversation: typeof conversations.$inferSelect;
  /** That answers this conversation. */
  checkpointId: string;
};

const dayMs = 24 * 60 * 60 * 1000;
/** Who passed so many over is left alone for a while. */
const passedOver = { pairs: 3, restMs: 7 * dayMs };

/** Null: one answer, as ever. Chat never waits for a comparison. The question must be stored. */
export async function drawPair(
  tx: Tx,
  generation: Pick<Generation, "stateOf">,
  asked: Asked,
): Promise<DrawnPair | null> {
  const comparison = await findComparison(tx);
  const { conversation, checkpointId } = asked;
  if (comparison?.opponentId !== checkpointId || conversation.bestOf > 1) return null;
  const seed = randomInt(2 ** 31 - 1);
  if ((seed / 2 ** 31) * 100 >= comparison.share) return null;
  const { candidateId } = comparison;
  if (![candidateId, checkpointId].every((id) => isFree(generation, id))) return null;
  if (!(await hasAgreed(tx, conversation.id)) || (await isTooOften(tx, asked, comparison))) return null;
  return {
    comparisonId: comparison.id,
    challenger: { checkpointId: candidateId, channel: comparisonChannel },
    isChallengerFirst: seed % 2 === 1,
    seed,
  };
}

/** Loaded, and nobody waits for it. */
function isFree(generation: Pick<Generation, "stateOf">, checkpointId: string): boolean {
  const engine = generation.stateOf(checkpointId);
  return engine?.state === "ready" && engine.waiting === 0;
}

async function hasAgreed(tx: Tx, conversationId: string): Promise<boolean> {
  return (
    (await tx.$count(conversations, and(eq(conversations.id, conversationId), isUsableConversation))) > 0
  );
}

async function isTooOften(
  tx: Tx,
  { userId, conversation }: Asked,
  { perDay, spacing }: ComparisonRow,
): Promise<boolean> {
  const now = Date.now();
  const recent = await tx
    .select({ verdict: draftPairs.verdict, createdAt: draftPairs.createdAt })
    .from(draftPairs)
    .where(and(eq(draftPairs.userId, userId), gt(draftPairs.createdAt, new Date(now - passedOver.restMs))))
    .orderBy(desc(draftPairs.createdAt))
    .limit(Math.max(perDay, passedOver.pairs));
  const today = recent.filter(({ createdAt }) => createdAt.getTime() > now - dayMs);
  if (today.length >= perDay) return true;
  const newest = recent.slice(0, passedOver.pairs);
  if (newest.length === passedOver.pairs && newest.every(({ verdict }) => verdict === null)) return true;
  return (await questionsSincePair(tx, conversation.id)) < spacing;
}

/** With the one that is being asked. Without limit where the conversation had no pair yet. */
async function questionsSincePair(tx: Tx, conversationId: string): Promise<number> {
  const [last] = await tx
    .select({ at: messages.createdAt })
    .from(draftPairs)
    .innerJoin(messages, eq(messages.id, draftPairs.secondId))
    .where(eq(messages.conversationId, conversationId))
    .orderBy(desc(messages.createdAt))
    .limit(1);
  if (!last) return Number.POSITIVE_INFINITY;
  const [asked] = await tx
    .select({ n: count() })
    .from(messages)
    .where(
      and(
        eq(messages.conversationId, conversationId),
        eq(messages.role, "user"),
        gte(messages.createdAt, last.at),
      ),
    );
  return asked?.n ?? 0;
}
