/** @file What happened to runs, and who is told. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { PageTitle } from "../../_frame/section";
import { MailSection } from "./mail-section";
import { NotificationsList } from "./notifications-list";
import { WebhooksSection } from "./webhooks-section";

export const metadata: Metadata = { title: "Notifications" };

export default async function NotificationsPage() {
  const caller = await requirePermission("runs.read");
  const [page, mail, webhooks] = await Promise.all([
    caller.notifications.list({ limit: 50 }),
    caller.notifications.mail(),
    caller.notifications.webhooks(),
  ]);
  return (
    <>
      <PageTitle>Notifications</PageTitle>
      <NotificationsList initialPage={page} />
      <MailSection initialMail={mail} />
      <WebhooksSection initialWebhooks={webhooks} />
    </>
  );
}
