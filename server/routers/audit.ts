/** @file The audit log, for admins and auditors. */
import { z } from "zod";
import { auditActions, listAudit } from "../domain/audit";
import { verifySignedAudit } from "../domain/signed-head";
import { procedure, router } from "../trpc";

export const auditRouter = router({
  /** Newest first. `action` is a beginning: "person." or "setting.changed". */
  list: procedure("audit.read")
    .input(
      z.object({
        cursor: z.int().nullish(),
        limit: z.int().min(1).max(200).default(50),
        action: z.string().max(60).optional(),
        actorId: z.uuid().optional(),
        subject: z.string().max(200).optional(),
      }),
    )
    .query(({ ctx, input }) => listAudit(ctx.db, { ...input, cursor: input.cursor ?? null })),

  /** What can be filtered by. */
  actions: procedure("audit.read").query(() => auditActions),

  /** Recomputes the chain of hashes, and compares it with the signed head that is kept outside the database. */
  verify: procedure("audit.read").query(({ ctx }) => verifySignedAudit(ctx.db, ctx.env.ATTUNE_DATA)),
});
