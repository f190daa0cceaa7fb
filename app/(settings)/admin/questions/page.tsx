/** @file What labelers ask about tasks, to be answered. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { QuestionsView } from "./questions-view";

export const metadata: Metadata = { title: "Questions" };

export default async function QuestionsPage() {
  const caller = await requirePermission("labeling.lead");
  return <QuestionsView initialOpen={await caller.questions.list()} />;
}
