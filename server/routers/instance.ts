/** @file What the pages before signing in must know. */
import { z } from "zod";
import { inspectLink } from "../domain/one-time-links";
import { readSettings } from "../domain/settings";
import { hasAdmin } from "../domain/setup";
import { procedure, router } from "../trpc";

export const instanceRouter = router({
  /** `needsSetup`: nobody is admin yet; the terminal shows the set-up link. */
  status: procedure("instance.read").query(async ({ ctx }) => {
    const { instanceName, signUp } = await readSettings(ctx.db);
    return { instanceName, signUp, needsSetup: !(await hasAdmin(ctx.db)) };
  }),

  /** What a one-time link is for; null when it is unknown, used or expired. */
  link: procedure("instance.read")
    .input(z.object({ token: z.string().min(1).max(200) }))
    .query(async ({ ctx, input }) => {
      const link = await inspectLink(ctx.db, input.token);
      return link && { kind: link.kind, email: link.email, role: link.role, expiresAt: link.expiresAt };
    }),
});
