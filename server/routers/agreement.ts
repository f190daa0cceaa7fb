/** @file How far labelers agree, for labeling leads. */
import { z } from "zod";
import { reportAgreement } from "../domain/agreement/agreement-report";
import { listFilterChoices } from "../domain/agreement/filter-choices";
import { listHardestTasks } from "../domain/agreement/hardest-tasks";
import { procedure, router } from "../trpc";

const lead = procedure("labeling.lead");

const question = z.object({
  tieRule: z.enum(["leaveOut", "half"]).default("leaveOut"),
  filter: z
    .object({
      batchId: z.uuid().optional(),
      groupId: z.uuid().optional(),
      guidelinesVersion: z.int().min(1).optional(),
      /** When rankings were submitted: from then on, before then. */
      from: z.date().optional(),
      before: z.date().optional(),
    })
    .refine(({ from, before }) => !from || !before || from < before, "The period ends before it begins.")
    .default({}),
});

export const agreementRouter = router({
  choices: lead.query(({ ctx }) => listFilterChoices(ctx.db)),

  report: lead.input(question).query(({ ctx, input }) => reportAgreement(ctx.db, input)),

  /** Tasks with the least agreement, prompts and responses included. */
  hardest: lead
    .input(question.extend({ count: z.int().min(1).max(50).default(10) }))
    .query(({ ctx, input }) => listHardestTasks(ctx.db, input)),
});
