/** @file Rankings in and out, for labeling leads: imports and their progress, and snapshots to train on. */
import { z } from "zod";
import { type LayoutName, layoutNames, layouts } from "@/model/data/rankings/layouts";
import {
  listImports,
  mostImportBytes,
  readImport,
  removeImport,
  startImport,
} from "../domain/exchange/imports";
import { snapshotDemonstrationsOf, snapshotRankingsOf } from "../domain/exchange/make-snapshot";
import { rankingFilterSchema } from "../domain/exchange/read-ranked-prompts";
import { describeWaiting } from "../domain/reward-models/current-reward-model";
import { procedure, router } from "../trpc";

const lead = procedure("labeling.lead");
const layoutKeys = layoutNames as [LayoutName, ...LayoutName[]];
const importKey = z.object({ importId: z.uuid() });
const named = {
  name: z.string().trim().min(1, "A name has at least one character.").max(100),
  description: z.string().trim().max(2000).default(""),
};

export const exchangeRouter = router({
  /** What a file may look like, and what a file of that layout cannot hold. */
  layouts: lead.query(() =>
    layoutNames.map((name) => ({
      name,
      label: layouts[name].label,
      shape: layouts[name].shape,
      leavesOut: layouts[name].leavesOut,
    })),
  ),

  imports: lead.query(({ ctx }) => listImports(ctx.db)),

  /** Then its parts by PUT /api/imports/<id>/<part>, then `readImport`. */
  startImport: lead
    .input(
      z.object({
        name: z.string().trim().min(1).max(200),
        /** Null: told from the file's first items. */
        layout: z.enum(layoutKeys).nullable().default(null),
        sizeBytes: z
          .int()
          .min(1, "The file is empty.")
          .max(mostImportBytes, "A file may have 1 GiB. Split it."),
      }),
    )
    .mutation(({ ctx, input }) => startImport(ctx.db, { ...input, actorId: ctx.user.id })),

  /** All parts are there: reads them in the background. */
  readImport: lead.input(importKey).mutation(async ({ ctx, input }) => {
    const { ended } = await readImport(ctx.db, { ...input, dataFolder: ctx.env.ATTUNE_DATA });
    ended.catch((err: unknown) => ctx.log.error({ err, ...input }, "the end of an import was not stored"));
  }),

  removeImport: lead
    .input(importKey)
    .mutation(({ ctx, input }) =>
      removeImport(ctx.db, { ...input, dataFolder: ctx.env.ATTUNE_DATA, actorId: ctx.user.id }),
    ),

  /** How many new rankings a snapshot made now would leave out, and why not more; null: no reward model scores them first. */
  waiting: lead.query(({ ctx }) => describeWaiting(ctx.db)),

  snapshotRankings: lead
    .input(
      z.object({
        ...named,
        filter: rankingFilterSchema.prefault({}),
        /** Tasks whose labelers agree less are left out; null: none is. */
        agreementFloor: z.number().min(0).max(1).nullable().default(null),
      }),
    )
    .mutation(({ ctx, input }) => snapshotRankingsOf(ctx.db, { ...input, actorId: ctx.user.id })),

  snapshotDemonstrations: lead
    .input(z.object({ ...named, minRating: z.int().min(1).max(7).nullable().default(null) }))
    .mutation(({ ctx, input }) => snapshotDemonstrationsOf(ctx.db, { ...input, actorId: ctx.user.id })),
});
