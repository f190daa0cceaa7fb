/** @file The machines that train, for admins. */
import { z } from "zod";
import { createWorker, listWorkers, revokeWorker } from "../runs/workers";
import { procedure, router } from "../trpc";

export const workersRouter = router({
  /** Newest first, revoked ones included. */
  list: procedure("runs.read").query(({ ctx }) => listWorkers(ctx.db)),

  /** The token is in the answer and nowhere else. */
  create: procedure("runs.manage")
    .input(z.object({ name: z.string().trim().min(1, "A name has at least one character.").max(100) }))
    .mutation(({ ctx, input }) => createWorker(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Ends its token at once; what it trains goes back to the queue when its lease ends. */
  revoke: procedure("runs.manage")
    .input(z.object({ workerId: z.uuid() }))
    .mutation(({ ctx, input }) => revokeWorker(ctx.db, { ...input, actorId: ctx.user.id })),
});
