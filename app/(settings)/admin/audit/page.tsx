/** @file The record of who did what. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { AuditView } from "./audit-view";

export const metadata: Metadata = { title: "Audit log" };

export default async function AuditPage() {
  const caller = await requirePermission("audit.read");
  const [page, actions] = await Promise.all([caller.audit.list({}), caller.audit.actions()]);
  return <AuditView firstPage={page} actions={[...actions]} />;
}
