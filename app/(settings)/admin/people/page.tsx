/** @file People and invitations. */
import type { Metadata } from "next";
import { requirePermission, requireViewer } from "@/app/_lib/server-caller";
import { PeopleView } from "./people-view";

export const metadata: Metadata = { title: "People" };

export default async function PeoplePage() {
  const caller = await requirePermission("people.read");
  const { id, permissions } = await requireViewer();
  const mayManage = permissions.includes("people.manage");
  const [page, invites] = await Promise.all([
    caller.people.list({}),
    mayManage ? caller.people.invites() : Promise.resolve([]),
  ]);
  return <PeopleView viewerId={id} mayManage={mayManage} firstPage={page} initialInvites={invites} />;
}
