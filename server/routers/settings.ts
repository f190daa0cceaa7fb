/** @file The settings of the instance, for admins. */
import { z } from "zod";
import { defaultSampling } from "../domain/sampling";
import {
  changeSettings,
  defaultSettings,
  readSettings,
  resetSetting,
  settingsSchema,
} from "../domain/settings";
import { procedure, router } from "../trpc";

export const settingsRouter = router({
  read: procedure("settings.manage").query(async ({ ctx }) => ({
    settings: await readSettings(ctx.db),
    defaults: defaultSettings,
    /** What holds where neither these settings nor a conversation set anything. */
    builtInSampling: defaultSampling,
  })),

  /** What is given changes. */
  change: procedure("settings.manage")
    .input(settingsSchema.partial())
    .mutation(({ ctx, input }) => changeSettings(ctx.db, { actorId: ctx.user.id, change: input })),

  /** Back to the default. */
  reset: procedure("settings.manage")
    .input(z.object({ key: settingsSchema.keyof() }))
    .mutation(({ ctx, input }) => resetSetting(ctx.db, { ...input, actorId: ctx.user.id })),
});
