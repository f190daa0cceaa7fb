/** @file Dataset snapshots, for admins. */
import { z } from "zod";
import { datasetKinds } from "@/drizzle/schema";
import { listDatasets, readDataset, readDatasetRows, verifyDataset } from "../domain/datasets";
import { deleteDataset } from "../domain/datasets-erase";
import { addLines, sealDataset, startDataset } from "../domain/datasets-make";
import { countPromptsForPpo, snapshotPromptsOf } from "../domain/exchange/make-snapshot";
import { procedure, router } from "../trpc";

const datasetKey = z.object({ datasetId: z.uuid() });
/** Of one part, so that it passes as JSON within a request's size. */
const maxPartCharacters = 2_000_000;

export const datasetsRouter = router({
  /** Newest first, deleted ones included. */
  list: procedure("runs.read").query(({ ctx }) => listDatasets(ctx.db)),

  get: procedure("runs.read")
    .input(datasetKey)
    .query(({ ctx, input }) => readDataset(ctx.db, input.datasetId)),

  /** Rows in order; `content` is one line of JSONL, null where erased. */
  rows: procedure("runs.read")
    .input(
      datasetKey.extend({
        cursor: z.int().nonnegative().nullish(),
        limit: z.int().min(1).max(200).default(50),
      }),
    )
    .query(({ ctx, input }) => readDatasetRows(ctx.db, { ...input, from: input.cursor ?? 0 })),

  /** Recomputes every hash. */
  verify: procedure("runs.read")
    .input(datasetKey)
    .query(({ ctx, input }) => verifyDataset(ctx.db, input.datasetId)),

  /** Begins an upload: then `addLines` part by part, then `seal`. */
  start: procedure("runs.manage")
    .input(
      z.object({
        name: z.string().trim().min(1, "A name has at least one character.").max(100),
        kind: z.enum(datasetKinds),
        description: z.string().trim().max(2000).default(""),
      }),
    )
    .mutation(({ ctx, input }) => startDataset(ctx.db, { ...input, actorId: ctx.user.id })),

  /** How many prompts of the product PPO may answer now. */
  countPrompts: procedure("runs.read").query(({ ctx }) => countPromptsForPpo(ctx.db)),

  /** A snapshot of those, for PPO. */
  fromPrompts: procedure("runs.manage")
    .input(z.object({ name: z.string().trim().min(1, "A name has at least one character.").max(100) }))
    .mutation(({ ctx, input }) =>
      snapshotPromptsOf(ctx.db, { ...input, description: "", actorId: ctx.user.id }),
    ),

  /** One part of an upload, cut at line ends, numbered from 0. Sending a part again is harmless. */
  addLines: procedure("runs.manage")
    .input(
      datasetKey.extend({
        part: z.int().nonnegative(),
        text: z.string().max(maxPartCharacters, `A part may have ${maxPartCharacters} characters.`),
        onBadLine: z.enum(["refuse", "skip"]).default("refuse"),
      }),
    )
    .mutation(({ ctx, input }) => addLines(ctx.db, input)),

  /** Ends the upload: from now on the dataset does not change. */
  seal: procedure("runs.manage")
    .input(datasetKey)
    .mutation(({ ctx, input }) => sealDataset(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Erases all rows; the manifest stays. Refused while a run learns from it. */
  delete: procedure("runs.manage")
    .input(datasetKey)
    .mutation(({ ctx, input }) => deleteDataset(ctx.db, { ...input, actorId: ctx.user.id })),
});
