/** @file Promotion: what is live and was, the evidence for a candidate, and the decisions about it. */
import { z } from "zod";
import type { Context } from "../context";
import { readTouched } from "../domain/lineage/touched";
import { readComparisons } from "../domain/live/read-comparisons";
import { endComparison, newComparisonSchema, startComparison } from "../domain/live/steer-comparison";
import { applyRequest } from "../domain/promotion/apply";
import { channelSettingsSchema, defaultRamp, rampStepsSchema } from "../domain/promotion/channel-settings";
import { gateNames } from "../domain/promotion/gates";
import { listHistory, whatWasLive } from "../domain/promotion/history";
import type { Promoting } from "../domain/promotion/promoting";
import { readState } from "../domain/promotion/read-state";
import {
  approveRequest,
  overrideGate,
  requestPromotion,
  withdrawRequest,
} from "../domain/promotion/requests";
import { addNote, rollBack } from "../domain/promotion/rollback";
import {
  changeChannelSettings,
  endCanary,
  freezeChannel,
  shareTraffic,
  unfreezeChannel,
} from "../domain/promotion/steer-channel";
import { chatServices } from "../generation/chat-services";
import { procedure, router } from "../trpc";

const promoting = ({ db, env }: Pick<Context, "db" | "env">): Promoting => ({
  db,
  chat: chatServices(),
  dataFolder: env.ATTUNE_DATA,
  precision: env.ATTUNE_PRECISION,
});

const channel = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/, "A channel is named by small letters, digits and hyphens.");
const checkpointId = z.string().min(1).max(100);
const reason = z.string().trim().min(1, "Say why: it is kept for good.").max(1000);
const requestId = z.uuid();
const override = z.object({ gate: z.enum(gateNames), reason });

export const promotionRouter = router({
  /** `candidateId` null: the one somebody asked for, or the newest. */
  state: procedure("promotion.read")
    .input(z.object({ candidateId: checkpointId.nullable().default(null) }))
    .query(({ ctx, input }) => readState(promoting(ctx), { ...input, viewerId: ctx.user.id })),

  /** Newest first. */
  history: procedure("promotion.read")
    .input(
      z.object({
        channel: channel.nullable().default(null),
        cursor: z.int().nullish(),
        limit: z.int().min(1).max(200).default(50),
      }),
    )
    .query(({ ctx, input }) => listHistory(ctx.db, { ...input, cursor: input.cursor ?? null })),

  /** Null: nothing was on that channel then. */
  whatWasLive: procedure("promotion.read")
    .input(z.object({ channel: channel.default("live"), at: z.coerce.date() }))
    .query(({ ctx, input }) => whatWasLive(ctx.db, input)),

  /** A promotion, or with `plan` a canary. `carryOut` does it. */
  request: procedure("promotion.decide")
    .input(
      z.object({
        channel: channel.default("live"),
        checkpointId,
        reason,
        plan: rampStepsSchema.nullable().default(null),
        isCold: z.boolean().default(false),
        scheduledFor: z.coerce.date().nullable().default(null),
        overrides: z.array(override).max(gateNames.length).default([]),
      }),
    )
    .mutation(async ({ ctx, input }) => ({
      requestId: await requestPromotion(ctx.db, { ...input, actorId: ctx.user.id }),
    })),

  carryOut: procedure("promotion.decide")
    .input(z.object({ requestId }))
    .mutation(async ({ ctx, input }) => ({
      promotionId: await applyRequest(promoting(ctx), { ...input, actorId: ctx.user.id }),
    })),

  approve: procedure("promotion.decide")
    .input(z.object({ requestId, reason: z.string().trim().max(1000).default("") }))
    .mutation(({ ctx, input }) => approveRequest(ctx.db, { ...input, actorId: ctx.user.id })),

  override: procedure("promotion.decide")
    .input(override.extend({ requestId }))
    .mutation(({ ctx, input }) => overrideGate(ctx.db, { ...input, actorId: ctx.user.id })),

  withdraw: procedure("promotion.decide")
    .input(z.object({ requestId }))
    .mutation(({ ctx, input }) => withdrawRequest(ctx.db, { ...input, actorId: ctx.user.id })),

  /** `checkpointId` null: the one before. The reason may follow by `note`. */
  rollBack: procedure("promotion.decide")
    .input(
      z.object({
        checkpointId: checkpointId.nullable().default(null),
        reason: z.string().trim().max(1000).default(""),
      }),
    )
    .mutation(async ({ ctx, input }) => ({
      promotionId: await rollBack(promoting(ctx), { ...input, actorId: ctx.user.id }),
    })),

  note: procedure("promotion.decide")
    .input(z.object({ promotionId: z.int(), text: reason }))
    .mutation(({ ctx, input }) => addNote(ctx.db, { ...input, actorId: ctx.user.id })),

  endCanary: procedure("promotion.decide")
    .input(z.object({ channel, reason }))
    .mutation(({ ctx, input }) => endCanary(promoting(ctx), { ...input, actorId: ctx.user.id })),

  /** Leaves the ramp: it stays at this share. */
  shareTraffic: procedure("promotion.decide")
    .input(z.object({ channel, share: z.number().min(0.1).max(100), reason }))
    .mutation(({ ctx, input }) =>
      shareTraffic(promoting(ctx), { ...input, ramp: null, actorId: ctx.user.id }),
    ),

  /** What channels point to, and this candidate, where they learned from data that was erased or withdrawn since. */
  touched: procedure("promotion.read")
    .input(z.object({ candidateId: checkpointId.nullable() }))
    .query(({ ctx, input }) => readTouched(ctx.db, input.candidateId)),

  /** Live comparisons, the one that runs first. */
  comparisons: procedure("promotion.read").query(({ ctx }) => readComparisons(ctx.db)),

  /** Some questions of people who agreed get two drafts, by what is live and by this challenger. */
  startComparison: procedure("promotion.decide")
    .input(newComparisonSchema)
    .mutation(async ({ ctx, input }) => ({
      comparisonId: await startComparison(promoting(ctx), { ...input, actorId: ctx.user.id }),
    })),

  endComparison: procedure("promotion.decide")
    .input(z.object({ reason }))
    .mutation(({ ctx, input }) => endComparison(promoting(ctx), { ...input, actorId: ctx.user.id })),

  freeze: procedure("promotion.decide")
    .input(z.object({ reason }))
    .mutation(({ ctx, input }) => freezeChannel(ctx.db, { ...input, channel: "live", actorId: ctx.user.id })),

  unfreeze: procedure("promotion.decide").mutation(({ ctx }) =>
    unfreezeChannel(ctx.db, { channel: "live", actorId: ctx.user.id }),
  ),

  changeSettings: procedure("promotion.decide")
    .input(channelSettingsSchema)
    .mutation(({ ctx, input }) =>
      changeChannelSettings(ctx.db, { channel: "live", settings: input, actorId: ctx.user.id }),
    ),

  /** What a canary goes through if nothing else is said. */
  defaultRamp: procedure("promotion.read").query(() => defaultRamp),
});
