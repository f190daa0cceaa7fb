/** @file All training runs. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { RunsView } from "./runs-view";

export const metadata: Metadata = { title: "Runs" };

export default async function RunsPage() {
  const caller = await requirePermission("runs.read");
  return <RunsView firstPage={await caller.runs.list({})} />;
}
