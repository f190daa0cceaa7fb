/** @file Demonstrations that wait for a review. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { DemonstrationsView } from "./demonstrations-view";

export const metadata: Metadata = { title: "Demonstrations" };

export default async function DemonstrationsPage() {
  const caller = await requirePermission("labeling.lead");
  const [waiting, reviewed] = await Promise.all([
    caller.demonstrations.waiting(),
    caller.demonstrations.reviewed(),
  ]);
  return <DemonstrationsView initialWaiting={waiting} initialReviewed={reviewed} />;
}
