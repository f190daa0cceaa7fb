/** @file Labelers write prompts, and see what became of those they wrote. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { OwnPromptsView } from "./own-prompts-view";

export const metadata: Metadata = { title: "Write prompts" };

export default async function LabelerPromptsPage() {
  const caller = await requirePermission("labeling.work");
  return <OwnPromptsView initialPrompts={await caller.prompts.own()} />;
}
