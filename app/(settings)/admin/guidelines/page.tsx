/** @file The instructions to labelers, and their versions. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { GuidelinesView } from "./guidelines-view";

export const metadata: Metadata = { title: "Guidelines" };

export default async function GuidelinesPage() {
  const caller = await requirePermission("labeling.lead");
  const [current, versions] = await Promise.all([caller.guidelines.get(), caller.guidelines.list()]);
  return <GuidelinesView initialCurrent={current} initialVersions={versions} />;
}
