/** @file Prompts: where they come from, what the rules removed, and what leads decide about them. */
import { z } from "zod";
import { collectPrompts } from "../domain/prompts/collect-prompts";
import { countPrompts, listPrompts, listUploads } from "../domain/prompts/list-prompts";
import { listOwnPrompts } from "../domain/prompts/own-prompts";
import { promptLayouts } from "../domain/prompts/read-prompt-line";
import { splits } from "../domain/prompts/split";
import {
  reportPrompt,
  reportReasons,
  restorePrompt,
  setPromptSensitive,
} from "../domain/prompts/steer-prompts";
import { addPromptLines, finishUpload, startUpload } from "../domain/prompts/upload-prompts";
import { writePrompt, writtenPromptSchema } from "../domain/prompts/write-prompt";
import { procedure, router } from "../trpc";

const promptKey = z.object({ promptId: z.uuid() });
/** As of datasets: so that a part passes as JSON within a request's size. */
const maxPartCharacters = 2_000_000;

export const promptsRouter = router({
  /** By source, status, split and rule. */
  counts: procedure("labeling.lead").query(({ ctx }) => countPrompts(ctx.db)),

  /** Newest first. Texts of conversations that may not be used are left out; whose they are is never told. */
  list: procedure("labeling.lead")
    .input(
      z.object({
        filter: z
          .object({
            source: z.enum(["conversation", "labeler", "upload", "import"]).optional(),
            status: z.enum(["ready", "removed", "reported", "erased"]).optional(),
            removedBy: z.enum(["duplicate", "ownerLimit", "tooLong"]).optional(),
            split: z.enum(splits).optional(),
            isMasked: z.boolean().optional(),
          })
          .default({}),
        cursor: z.int().nonnegative().nullish(),
        limit: z.int().min(1).max(100).default(25),
      }),
    )
    .query(({ ctx, input }) => listPrompts(ctx.db, { ...input, cursor: input.cursor ?? 0 })),

  /** Takes prompts from conversations now, as the server does by itself now and then. Call again while `hasMore`. */
  collect: procedure("labeling.lead").mutation(({ ctx }) => collectPrompts(ctx.db, { actorId: ctx.user.id })),

  uploads: procedure("labeling.lead").query(({ ctx }) => listUploads(ctx.db)),

  /** Begins an upload: then `addLines` part by part, then `finishUpload`. */
  startUpload: procedure("labeling.lead")
    .input(
      z.object({
        name: z.string().trim().min(1, "A name has at least one character.").max(200),
        layout: z.enum(promptLayouts),
      }),
    )
    .mutation(({ ctx, input }) => startUpload(ctx.db, { ...input, actorId: ctx.user.id })),

  /** One part of a file, cut at line ends, numbered from 0. Unfit lines are named and left out; a part may come again. */
  addLines: procedure("labeling.lead")
    .input(
      z.object({
        importId: z.uuid(),
        part: z.int().nonnegative(),
        text: z.string().max(maxPartCharacters, `A part may have ${maxPartCharacters} characters.`),
      }),
    )
    .mutation(({ ctx, input }) => addPromptLines(ctx.db, input)),

  finishUpload: procedure("labeling.lead")
    .input(z.object({ importId: z.uuid() }))
    .mutation(({ ctx, input }) => finishUpload(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Stores a prompt of one's own; the answer says whether a rule put it aside. */
  write: procedure("labeling.work")
    .input(writtenPromptSchema)
    .mutation(({ ctx, input }) => writePrompt(ctx.db, { userId: ctx.user.id, prompt: input })),

  /** Those one wrote oneself, and what became of them. */
  own: procedure("labeling.work").query(({ ctx }) => listOwnPrompts(ctx.db, ctx.user.id)),

  /** Pulls it from every queue and every later snapshot. */
  report: procedure("labeling.lead")
    .input(promptKey.extend({ reason: z.enum(reportReasons) }))
    .mutation(({ ctx, input }) => reportPrompt(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Makes a removed or reported one ready again. */
  restore: procedure("labeling.lead")
    .input(promptKey)
    .mutation(({ ctx, input }) => restorePrompt(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Sensitive ones are blurred until opened, and labelers may opt out of them. */
  setSensitive: procedure("labeling.lead")
    .input(promptKey.extend({ isSensitive: z.boolean() }))
    .mutation(({ ctx, input }) => setPromptSensitive(ctx.db, { ...input, actorId: ctx.user.id })),
});
