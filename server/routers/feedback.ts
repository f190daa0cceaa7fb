/** @file Feedback on answers. */
import { z } from "zod";
import { clearFeedback, feedbackReasons, feedbackTags, giveFeedback } from "../domain/feedback";
import { procedure, router } from "../trpc";

const comment = z.string().max(10_000, "A comment may hold 10,000 characters.");

export const feedbackRouter = router({
  /** The reasons to offer under each thumb, in order. */
  reasons: procedure("chat.use").query(() => feedbackReasons),

  /** One feedback per answer and person; fields left out stay as they are. */
  give: procedure("chat.use")
    .input(
      z.object({
        messageId: z.uuid(),
        thumb: z.union([z.literal(1), z.literal(-1)]).nullish(),
        tags: z.array(z.enum(feedbackTags)).max(feedbackTags.length).optional(),
        comment: comment.optional(),
        correction: z.string().optional(),
        comparison: z
          .object({ comparedToId: z.uuid(), verdict: z.enum(["better", "same", "worse"]) })
          .nullish(),
      }),
    )
    .mutation(({ ctx, input: { messageId, ...change } }) =>
      giveFeedback(ctx.db, { messageId, userId: ctx.user.id, change }),
    ),

  clear: procedure("chat.use")
    .input(z.object({ messageId: z.uuid() }))
    .mutation(({ ctx, input }) => clearFeedback(ctx.db, { ...input, userId: ctx.user.id })),
});
