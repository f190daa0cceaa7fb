/** @file Writing a regression case by hand. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { NewCaseView } from "./new-case-view";

export const metadata: Metadata = { title: "Write a case" };

export default async function NewCasePage() {
  await requirePermission("models.manage");
  return <NewCaseView />;
}
