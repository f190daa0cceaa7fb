/** @file The policies that answer: channels, checkpoints, and what made an answer. */
import { z } from "zod";
import { listChannels } from "../domain/channels";
import { explainAnswer, listCheckpoints } from "../domain/checkpoints";
import { resolveSampling } from "../domain/sampling";
import { readSettings } from "../domain/settings";
import { chatServices } from "../generation/chat-services";
import { isAllowed } from "../permissions";
import { procedure, router } from "../trpc";

export const modelsRouter = router({
  /** Each channel with its checkpoint and whether it can answer right now. */
  channels: procedure("chat.use").query(({ ctx }) =>
    listChannels(ctx.db, chatServices(), { forManager: isAllowed(ctx.user, "models.manage") }),
  ),

  /** What holds where a conversation sets nothing. */
  defaultSampling: procedure("chat.use").query(async ({ ctx }) =>
    resolveSampling((await readSettings(ctx.db)).defaultSampling, {}),
  ),

  /** All checkpoints whose files are here, newest first, with their manifests. */
  checkpoints: procedure("chat.use").query(async ({ ctx }) =>
    (await listCheckpoints(ctx.db)).filter(({ deletedAt }) => deletedAt === null),
  ),

  /** What made this answer: checkpoint, its parents, sampling, seed, tokens. */
  explainAnswer: procedure("chat.use")
    .input(z.object({ messageId: z.uuid() }))
    .query(({ ctx, input }) => explainAnswer(ctx.db, { ...input, userId: ctx.user.id })),

  /** The engine processes: state, memory, requests, restarts. */
  engines: procedure("models.manage").query(() => chatServices().generation.status()),
});
