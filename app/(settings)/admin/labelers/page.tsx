/** @file The people who label. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { LabelersView } from "./labelers-view";

export const metadata: Metadata = { title: "Labelers" };

export default async function LabelersPage() {
  const caller = await requirePermission("labeling.lead");
  const [labelers, groups] = await Promise.all([caller.labelers.list(), caller.labelers.groups()]);
  return <LabelersView initialLabelers={labelers} initialGroups={groups} />;
}
