/** @file The people who label, for leads: figures, signs to look at, groups, work set aside, payment. */
import { z } from "zod";
import { listLabelers } from "../domain/labelers/list-labelers";
import {
  createGroup,
  listGroups,
  moveLabeler,
  restoreLabeler,
  setLabelerAside,
} from "../domain/labelers/manage-labelers";
import { paymentCsv } from "../domain/labelers/payment";
import { procedure, router } from "../trpc";

const labelerKey = z.object({ userId: z.uuid() });

export const labelersRouter = router({
  list: procedure("labeling.lead").query(({ ctx }) => listLabelers(ctx.db)),

  groups: procedure("labeling.lead").query(({ ctx }) => listGroups(ctx.db)),

  createGroup: procedure("labeling.lead")
    .input(
      z.object({
        name: z.string().trim().min(1, "A name has at least one character.").max(100),
        isHeldOut: z.boolean().default(false),
      }),
    )
    .mutation(({ ctx, input }) => createGroup(ctx.db, { ...input, actorId: ctx.user.id })),

  move: procedure("labeling.lead")
    .input(labelerKey.extend({ groupId: z.uuid().nullable() }))
    .mutation(({ ctx, input }) => moveLabeler(ctx.db, { ...input, actorId: ctx.user.id })),

  /** All work so far counts no more, until `restore`. */
  setAside: procedure("labeling.lead")
    .input(
      labelerKey.extend({
        reason: z.string().trim().min(1, "Give a reason; the labeler reads it.").max(500),
      }),
    )
    .mutation(({ ctx, input }) => setLabelerAside(ctx.db, { ...input, actorId: ctx.user.id })),

  restore: procedure("labeling.lead")
    .input(labelerKey)
    .mutation(({ ctx, input }) => restoreLabeler(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Active time, tasks and comparisons per labeler and week. */
  payment: procedure("labeling.lead").query(({ ctx }) => paymentCsv(ctx.db)),
});
