/** @file Prompts: what labelers will rank answers to, and what the rules put aside. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { PromptsView } from "./prompts-view";

export const metadata: Metadata = { title: "Prompts" };

export default async function PromptsPage() {
  const caller = await requirePermission("labeling.lead");
  const [counts, firstPage] = await Promise.all([caller.prompts.counts(), caller.prompts.list({})]);
  return <PromptsView initialCounts={counts} firstPage={firstPage} />;
}
