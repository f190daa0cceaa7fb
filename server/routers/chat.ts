/** @file Asking and answering. Answers are made in the server whether or not anybody watches; `stream` watches one. */
import { z } from "zod";
import { whileSignedIn } from "../auth/open-streams";
import type { SessionUser } from "../context";
import type { Db } from "../db/db";
import { streamAnswer } from "../domain/answer-stream";
import { checkMayName } from "../domain/checkpoints";
import { maxSystemPromptCharacters } from "../domain/conversations";
import {
  chooseDraft,
  editQuestion,
  maxTurns,
  regenerateAnswer,
  resumeAnswer,
  sendMessage,
  stopAnswer,
} from "../domain/exchanges";
import { draftPlaces } from "../domain/live/decide-pair";
import { offersBestOf } from "../domain/reward-models/pick-best";
import { bestOfSchema, samplingOverridesSchema } from "../domain/sampling";
import { answerTemporarily } from "../domain/temporary-chat";
import { chatServices } from "../generation/chat-services";
import { procedure, router } from "../trpc";

/** Made by the client: sending the same id twice does it once. */
const newMessageId = z.uuid();
const messageKey = z.object({ messageId: z.uuid() });
/** Null or left out: the live channel. Another one than a channel's is for those who manage models. */
const checkpointId = z.string().max(100).nullish();
const systemPrompt = z.string().max(maxSystemPromptCharacters, "A system prompt may hold 20,000 characters.");

/** What was named, if this person may. */
async function allowed({ db, user }: { db: Db; user: SessionUser }, named: string | null | undefined) {
  if (named) await checkMayName(db, user, named);
  return named || null;
}

export const chatRouter = router({
  /** Whether a conversation may ask for the best of several answers: a reward model is in use that picks it. */
  offersBestOf: procedure("chat.use").query(({ ctx }) => offersBestOf(ctx.db)),

  /**
   * Asks. `conversationId` null starts a conversation (with these settings, if given); `parentId` is the answer the
   * question follows, null at the top. Returns at once; watch the answer with `stream`.
   */
  send: procedure("chat.use")
    .input(
      z.object({
        messageId: newMessageId,
        conversationId: z.uuid().nullable(),
        parentId: z.uuid().nullable(),
        content: z.string(),
        checkpointId,
        settings: z
          .object({
            systemPrompt: systemPrompt.optional(),
            sampling: samplingOverridesSchema.optional(),
            bestOf: bestOfSchema.optional(),
            consent: z.boolean().nullish(),
          })
          .optional(),
      }),
    )
    .mutation(async ({ ctx, input }) =>
      sendMessage(ctx.db, chatServices(), {
        ...input,
        userId: ctx.user.id,
        checkpointId: await allowed(ctx, input.checkpointId),
        settings: input.settings ?? {},
      }),
    ),

  /** Asks again in other words: a sibling of the question, and its answer. The old branch stays. */
  edit: procedure("chat.use")
    .input(messageKey.extend({ newMessageId, content: z.string(), checkpointId }))
    .mutation(async ({ ctx, input }) =>
      editQuestion(ctx.db, chatServices(), {
        ...input,
        userId: ctx.user.id,
        checkpointId: await allowed(ctx, input.checkpointId),
      }),
    ),

  /** Another answer to the same question: a sibling of `messageId`. The old answer stays. */
  regenerate: procedure("chat.use")
    .input(messageKey.extend({ newMessageId, checkpointId }))
    .mutation(async ({ ctx, input }) =>
      regenerateAnswer(ctx.db, chatServices(), {
        ...input,
        userId: ctx.user.id,
        checkpointId: await allowed(ctx, input.checkpointId),
      }),
    ),

  /** Makes a failed or cut answer anew, in place, by the live channel. */
  retry: procedure("chat.use")
    .input(messageKey)
    .mutation(({ ctx, input }) =>
      resumeAnswer(ctx.db, chatServices(), { ...input, userId: ctx.user.id, mode: "retry" }),
    ),

  /** Goes on with a cut answer (`length`, `stopped`, `interrupted`, `failed`), by the checkpoint that began it. */
  continue: procedure("chat.use")
    .input(messageKey)
    .mutation(({ ctx, input }) =>
      resumeAnswer(ctx.db, chatServices(), { ...input, userId: ctx.user.id, mode: "continue" }),
    ),

  /**
   * Of two drafts the better one, which the conversation goes on with; where neither is, the one that is named. Returns both,
   * the one that goes on first.
   */
  chooseDraft: procedure("chat.use")
    .input(
      z.object({
        pairId: z.uuid(),
        verdict: z.enum([...draftPlaces, "tie", "bothBad"]),
        goesOnWith: z.enum(draftPlaces).default("first"),
      }),
    )
    .mutation(({ ctx, input }) => chooseDraft(ctx.db, chatServices(), { ...input, userId: ctx.user.id })),

  /** Stops an answer and returns it as it is kept. Harmless on one that has ended. */
  stop: procedure("chat.use")
    .input(messageKey)
    .mutation(({ ctx, input }) => stopAnswer(ctx.db, chatServices(), { ...input, userId: ctx.user.id })),

  /**
   * Watches one answer: first what is there (`snapshot`, or after a reconnect what was missed as `delta`), then
   * deltas, at last `ended` with the message as stored. An answer that has ended already gives `ended` alone.
   */
  stream: procedure("chat.use")
    .input(messageKey.extend({ lastEventId: z.string().max(100).nullish() }))
    .subscription(({ ctx, input, signal: left }) =>
      whileSignedIn(ctx, left, (signal) =>
        streamAnswer(ctx.db, chatServices(), {
          ...input,
          lastEventId: input.lastEventId ?? null,
          userId: ctx.user.id,
          signal,
        }),
      ),
    ),

  /** A chat that is stored nowhere: the client sends all turns and reads the answer from this call. */
  temporary: procedure("chat.use")
    .input(
      z.object({
        messages: z
          .array(z.object({ role: z.enum(["user", "assistant"]), content: z.string() }))
          .min(1)
          .max(maxTurns),
        systemPrompt: systemPrompt.optional(),
        sampling: samplingOverridesSchema.optional(),
        checkpointId,
        /** The last message is an unfinished answer to go on with. */
        continueLast: z.boolean().optional(),
      }),
    )
    .mutation(async ({ ctx, input, signal }) =>
      answerTemporarily(ctx.db, chatServices(), {
        ...input,
        checkpointId: await allowed(ctx, input.checkpointId),
        userId: ctx.user.id,
        signal,
      }),
    ),
});
