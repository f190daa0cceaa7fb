/** @file What admins are told about runs, and the webhooks and mailboxes that are told the same. */
import { z } from "zod";
import { chooseMail, readOwnMail, retryMail, sendTestMail } from "../domain/mail";
import { listNotifications, markNotificationsRead, notificationKinds } from "../domain/notifications";
import {
  createWebhook,
  deleteWebhook,
  listDeliveries,
  listWebhooks,
  retryDelivery,
  testWebhook,
} from "../domain/webhooks";
import { createMailer } from "../mail";
import { procedure, router } from "../trpc";

const webhookKey = z.object({ webhookId: z.uuid() });

export const notificationsRouter = router({
  /** Newest first, with how many are unread. */
  list: procedure("runs.read")
    .input(z.object({ limit: z.int().min(1).max(200).default(50) }))
    .query(({ ctx, input }) => listNotifications(ctx.db, { ...input, userId: ctx.user.id })),

  /** All of them, for oneself. */
  markRead: procedure("runs.read").mutation(({ ctx }) => markNotificationsRead(ctx.db, ctx.user.id)),

  webhooks: procedure("runs.manage").query(({ ctx }) => listWebhooks(ctx.db)),

  /** The secret that signs its requests is in the answer and nowhere else. */
  createWebhook: procedure("runs.manage")
    .input(
      z.object({
        url: z.url({ protocol: /^https?$/, message: "must begin with http:// or https://" }).max(2000),
        events: z.array(z.enum(notificationKinds)).min(1).max(notificationKinds.length),
      }),
    )
    .mutation(({ ctx, input }) => createWebhook(ctx.db, { ...input, actorId: ctx.user.id })),

  deleteWebhook: procedure("runs.manage")
    .input(webhookKey)
    .mutation(({ ctx, input }) => deleteWebhook(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Sends an event named "test". */
  testWebhook: procedure("runs.manage")
    .input(webhookKey)
    .mutation(({ ctx, input }) => testWebhook(ctx.db, input.webhookId)),

  /** What was sent, newest first, with what came back. */
  deliveries: procedure("runs.manage")
    .input(webhookKey)
    .query(({ ctx, input }) => listDeliveries(ctx.db, input.webhookId)),

  /** Tries a delivery again that was given up. */
  retryDelivery: procedure("runs.manage")
    .input(z.object({ deliveryId: z.uuid() }))
    .mutation(({ ctx, input }) => retryDelivery(ctx.db, input.deliveryId)),

  /** Whether one is told by mail, and what was sent. */
  mail: procedure("runs.read").query(({ ctx }) =>
    readOwnMail(ctx.db, { userId: ctx.user.id, isConfigured: createMailer(ctx.env) !== null }),
  ),

  /** For oneself. */
  chooseMail: procedure("runs.read")
    .input(z.object({ wantsMail: z.boolean() }))
    .mutation(({ ctx, input }) => chooseMail(ctx.db, { ...input, userId: ctx.user.id })),

  /** To one's own address, at once. */
  testMail: procedure("runs.read").mutation(({ ctx }) =>
    sendTestMail(ctx.db, createMailer(ctx.env), ctx.user.id),
  ),

  /** Tries one's own mail again that was given up. */
  retryMail: procedure("runs.read")
    .input(z.object({ deliveryId: z.uuid() }))
    .mutation(({ ctx, input }) => retryMail(ctx.db, { ...input, userId: ctx.user.id })),
});
