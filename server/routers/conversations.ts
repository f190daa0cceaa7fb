/** @file The person's own conversations. Other people's ids are answered with NOT_FOUND. */
import { z } from "zod";
import { whileSignedIn } from "../auth/open-streams";
import {
  changeConversation,
  chooseBranch,
  deleteConversation,
  listConversations,
  maxSystemPromptCharacters,
  maxTitleCharacters,
  readConversationTree,
  restoreConversation,
  setConversationConsent,
} from "../domain/conversations";
import { exportConversation } from "../domain/conversations-export";
import { searchConversations } from "../domain/conversations-search";
import { bestOfSchema, samplingOverridesSchema } from "../domain/sampling";
import { chatServices } from "../generation/chat-services";
import { procedure, router } from "../trpc";

const conversationKey = z.object({ conversationId: z.uuid() });

export const conversationsRouter = router({
  /** Newest first; pinned ones apart, on the first page. */
  list: procedure("chat.use")
    .input(
      z.object({
        archived: z.boolean().default(false),
        cursor: z.string().nullish(),
        limit: z.int().min(1).max(100).default(40),
      }),
    )
    .query(({ ctx, input }) =>
      listConversations(ctx.db, { ...input, cursor: input.cursor ?? null, userId: ctx.user.id }),
    ),

  /** All words must be in the title or in one message. */
  search: procedure("chat.use")
    .input(z.object({ query: z.string().max(200), limit: z.int().min(1).max(50).default(20) }))
    .query(({ ctx, input }) => searchConversations(ctx.db, { ...input, userId: ctx.user.id })),

  /** The conversation and its whole message tree, oldest first. */
  get: procedure("chat.use")
    .input(conversationKey)
    .query(({ ctx, input }) => readConversationTree(ctx.db, { ...input, userId: ctx.user.id })),

  /** Rename, pin, archive, system prompt, sampling, best of how many: what is given changes. `sampling` replaces all overrides. */
  change: procedure("chat.use")
    .input(
      conversationKey.extend({
        title: z.string().trim().min(1).max(maxTitleCharacters).optional(),
        isPinned: z.boolean().optional(),
        isArchived: z.boolean().optional(),
        systemPrompt: z
          .string()
          .max(maxSystemPromptCharacters, "A system prompt may hold 20,000 characters.")
          .optional(),
        sampling: samplingOverridesSchema.optional(),
        bestOf: bestOfSchema.optional(),
      }),
    )
    .mutation(async ({ ctx, input: { conversationId, ...change } }) => {
      const conversation = await changeConversation(ctx.db, { conversationId, userId: ctx.user.id, change });
      chatServices().changes.publish(ctx.user.id, { conversationId, kind: "changed" });
      return conversation;
    }),

  /** Null = the account's answer holds. */
  setConsent: procedure("chat.use")
    .input(conversationKey.extend({ consent: z.boolean().nullable() }))
    .mutation(({ ctx, input }) => setConversationConsent(ctx.db, { ...input, userId: ctx.user.id })),

  /** Shows the branch through this message (sibling switch); returns the new leaf. */
  chooseBranch: procedure("chat.use")
    .input(z.object({ messageId: z.uuid() }))
    .mutation(({ ctx, input }) => chooseBranch(ctx.db, { ...input, userId: ctx.user.id })),

  /** Undoable by `restore` until `undoUntil`. Stops answers in the making. */
  delete: procedure("chat.use")
    .input(conversationKey)
    .mutation(async ({ ctx, input }) => {
      const deleted = await deleteConversation(ctx.db, { ...input, userId: ctx.user.id });
      chatServices().answers.stopConversation(input.conversationId);
      chatServices().changes.publish(ctx.user.id, { ...input, kind: "deleted" });
      return deleted;
    }),

  restore: procedure("chat.use")
    .input(conversationKey)
    .mutation(async ({ ctx, input }) => {
      const conversation = await restoreConversation(ctx.db, { ...input, userId: ctx.user.id });
      chatServices().changes.publish(ctx.user.id, { ...input, kind: "changed" });
      return conversation;
    }),

  export: procedure("chat.use")
    .input(conversationKey.extend({ format: z.enum(["markdown", "json"]) }))
    .query(({ ctx, input }) => exportConversation(ctx.db, { ...input, userId: ctx.user.id })),

  /** What happens to the person's conversations, in this tab or another: reload what is named. */
  changes: procedure("chat.use").subscription(({ ctx, signal: left }) =>
    whileSignedIn(ctx, left, (signal) => chatServices().changes.subscribe(ctx.user.id, signal)),
  ),
});
