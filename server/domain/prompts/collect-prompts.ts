/** @file Takes prompts from conversations whose owners agree: what was disliked first, with the disliked answer among the responses. */
import { and, desc, eq, inArray, isNotNull, ne, notExists, notInArray, sql } from "drizzle-orm";
import { conversations, feedback, messages, prompts, responses } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { appendAudit } from "../audit";
import { readBranch } from "../messages";
import { isUsableConversation } from "../usable-conversations";
import { addPrompt } from "./add-prompt";
import { maskPersonalData } from "./personal-data";
import { isConsentedPrompt } from "./usable-prompts";

/** What somebody disliked is ranked first, then what somebody said anything about. */
export const priorities = { disliked: 20, rated: 10, none: 0 } as const;

/** Turns looked at by one call: a few seconds of work on the embedded database. */
const defaultLimit = 200;

export type Collection = {
  ready: number;
  removed: number;
  /** Disliked answers that joined the responses of their prompt. */
  responses: number;
  /** Call again: there is more. */
  hasMore: boolean;
};

/**
 * Makes prompts of turns that have none yet, and takes in answers that were disliked since. Each turn once, whatever happens
 * in between, so it may be called at any time and stopped at any point.
 */
export async function collectPrompts(
  db: Db,
  { actorId, limit = defaultLimit }: { actorId: string | null; limit?: number },
): Promise<Collection> {
  const turns = await findTurns(db, limit);
  let ready = 0;
  for (const turn of turns) ready += (await takeTurn(db, turn)) === "ready" ? 1 : 0;
  const taken = await takeDislikedAnswers(db, limit);
  const collection = {
    ready,
    removed: turns.length - ready,
    responses: taken,
    hasMore: turns.length === limit || taken === limit,
  };
  if (actorId !== null) {
    const { hasMore: _, ...details } = collection;
    await db.transaction((tx) =>
      appendAudit(tx, { actorId, action: "prompts.collected", subject: "conversations", details }),
    );
  }
  return collection;
}

const isDisliking = sql<boolean>`(${feedback.thumb} = -1 or ${feedback.comparison} in ('worse', 'better'))`;

/** Of a turn's answers: how much what was said about them hastens its ranking. */
const wantedPriority = sql<number>`coalesce((
  select max(case when ${isDisliking} then ${priorities.disliked}::int else ${priorities.rated}::int end)
  from ${feedback} join ${messages} answer on answer.id = ${feedback.messageId}
  where answer.parent_id = ${messages.id}
), ${priorities.none}::int)`;

type Turn = {
  messageId: string;
  conversationId: string;
  ownerId: string;
  systemPrompt: string;
  priority: number;
};

/** Answered turns without a prompt, in usable conversations; what was disliked first, then the newest. */
function findTurns(db: Db, limit: number): Promise<Turn[]> {
  return db
    .select({
      messageId: messages.id,
      conversationId: conversations.id,
      ownerId: conversations.userId,
      systemPrompt: conversations.systemPrompt,
      priority: wantedPriority,
    })
    .from(messages)
    .innerJoin(conversations, eq(conversations.id, messages.conversationId))
    .where(
      and(
        eq(messages.role, "user"),
        ne(messages.content, ""),
        isUsableConversation,
        sql`exists (
          select from ${messages} answer where answer.parent_id = ${messages.id}
            and answer.status not in ('queued', 'streaming', 'failed')
        )`,
        notExists(db.select().from(prompts).where(eq(prompts.messageId, messages.id))),
      ),
    )
    .orderBy(desc(wantedPriority), desc(messages.createdAt), messages.id)
    .limit(limit);
}

async function takeTurn(
  db: Db,
  { messageId, conversationId, ownerId, systemPrompt, priority }: Turn,
): Promise<"ready" | "removed"> {
  const branch = await readBranch(db, messageId, systemPrompt);
  const { status } = await addPrompt(db, {
    source: "conversation",
    messages: branch,
    ownerId,
    conversationId,
    messageId,
    priority,
    createdBy: null,
  });
  return status;
}

/** Answers that lost: by a thumb, or against another answer to the same question. */
const dislikedIds = sql`(
  select ${feedback.messageId} from ${feedback} where ${feedback.thumb} = -1 or ${feedback.comparison} = 'worse'
  union
  select ${feedback.comparedToId} from ${feedback} where ${feedback.comparison} = 'better' and ${feedback.comparedToId} is not null
)`;

/** @returns how many joined the responses of their prompt */
async function takeDislikedAnswers(db: Db, limit: number): Promise<number> {
  const found = await db
    .select({ promptId: prompts.id, answer: messages })
    .from(messages)
    .innerJoin(prompts, eq(prompts.messageId, messages.parentId))
    .where(
      and(
        eq(prompts.status, "ready"),
        isConsentedPrompt,
        // An answer that another system gave says nothing of a policy of ours.
        isNotNull(messages.checkpointId),
        ne(messages.content, ""),
        notInArray(messages.status, ["queued", "streaming", "failed"]),
        sql`${messages.id} in ${dislikedIds}`,
        notExists(db.select().from(responses).where(eq(responses.messageId, messages.id))),
      ),
    )
    .orderBy(desc(messages.createdAt), messages.id)
    .limit(limit);
  if (found.length === 0) return 0;
  return db.transaction(async (tx) => {
    // Two collections at once must not take the same answer twice.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtext('attune prompts'))`);
    const known = await tx
      .select({ messageId: responses.messageId })
      .from(responses)
      .where(
        inArray(
          responses.messageId,
          found.map(({ answer }) => answer.id),
        ),
      );
    const fresh = found.filter(({ answer }) => !known.some(({ messageId }) => messageId === answer.id));
    if (fresh.length === 0) return 0;
    await tx.insert(responses).values(fresh.map(({ promptId, answer }) => toResponse(promptId, answer)));
    const promptIds = fresh.map(({ promptId }) => promptId);
    await tx
      .update(prompts)
      .set({ priority: sql`greatest(${prompts.priority}, ${priorities.disliked})` })
      .where(inArray(prompts.id, promptIds));
    return fresh.length;
  });
}

function toResponse(promptId: string, answer: typeof messages.$inferSelect): typeof responses.$inferInsert {
  const { text, masked } = maskPersonalData(answer.content);
  const isAsSampled = Object.keys(masked).length === 0;
  return {
    promptId,
    source: "conversation",
    text,
    checkpointId: answer.checkpointId,
    messageId: answer.id,
    sampling: answer.sampling,
    seed: answer.seed,
    // Of the text as it was sampled: they would tell what was masked.
    tokenIds: isAsSampled ? answer.tokenIds : null,
    logprobs: isAsSampled ? answer.logprobs : null,
    isFinished: answer.status === "complete",
  };
}
