/** @file The instructions to labelers: read by those who label, written by leads. */
import { z } from "zod";
import {
  addGuidelines,
  listGuidelines,
  mostGuidelinesCharacters,
  readGuidelines,
} from "../domain/batches/guidelines";
import { procedure, router } from "../trpc";

export const guidelinesRouter = router({
  /** Newest first, without their texts. */
  list: procedure("labeling.work").query(({ ctx }) => listGuidelines(ctx.db)),

  /** One version whole; without a number the current one. */
  get: procedure("labeling.work")
    .input(z.object({ version: z.int().min(1).nullable().default(null) }).default({ version: null }))
    .query(({ ctx, input }) => readGuidelines(ctx.db, input.version)),

  /** Adds a version, current at once. @returns its number */
  add: procedure("labeling.lead")
    .input(
      z.object({
        text: z.string().trim().min(1, "The guidelines are empty.").max(mostGuidelinesCharacters),
        changes: z
          .string()
          .trim()
          .min(1, "Say what changed, for those who know the version before.")
          .max(5_000),
        basedOn: z.int().min(1),
      }),
    )
    .mutation(async ({ ctx, input }) => ({
      version: await addGuidelines(ctx.db, { ...input, actorId: ctx.user.id }),
    })),
});
