/** @file Practice, tests and who sat them. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { QualificationAdmin } from "./qualification-admin";

export const metadata: Metadata = { title: "Qualification" };

export default async function QualificationAdminPage() {
  const caller = await requirePermission("labeling.lead");
  const [tests, sittings, areas] = await Promise.all([
    caller.qualification.tests(),
    caller.qualification.sittings(),
    caller.qualification.areas(),
  ]);
  return <QualificationAdmin initialTests={tests} initialSittings={sittings} areas={areas} />;
}
