/** @file Demonstrations to be reviewed, for leads. */
import { z } from "zod";
import {
  listReviewedDemonstrations,
  listWaitingDemonstrations,
  mostNoteCharacters,
  returnDemonstration,
  reviewDemonstration,
} from "../domain/labeling/review-demonstrations";
import { procedure, router } from "../trpc";

const lead = procedure("labeling.lead");
const page = z.object({ limit: z.int().min(1).max(50).default(10) }).default({ limit: 10 });
const rating = z.int().min(1).max(7);
const note = z.string().trim().max(mostNoteCharacters, "A note may hold 5,000 characters.");

export const demonstrationsRouter = router({
  /** Never one's own. */
  waiting: lead
    .input(page)
    .query(({ ctx, input }) => listWaitingDemonstrations(ctx.db, { reviewerId: ctx.user.id, ...input })),

  /** What one reviewed last, newest first. */
  reviewed: lead
    .input(page)
    .query(({ ctx, input }) => listReviewedDemonstrations(ctx.db, { reviewerId: ctx.user.id, ...input })),

  review: lead
    .input(
      z.object({
        demonstrationId: z.uuid(),
        rating,
        note: note.default(""),
        basedOn: rating.nullable().default(null),
      }),
    )
    .mutation(({ ctx, input }) => reviewDemonstration(ctx.db, { reviewerId: ctx.user.id, ...input })),

  /** Gives it back to its labeler, to be written again. */
  giveBack: lead
    .input(
      z.object({
        demonstrationId: z.uuid(),
        note: note.min(1, "Say what to write otherwise."),
        basedOn: rating.nullable().default(null),
      }),
    )
    .mutation(({ ctx, input }) => returnDemonstration(ctx.db, { reviewerId: ctx.user.id, ...input })),
});
