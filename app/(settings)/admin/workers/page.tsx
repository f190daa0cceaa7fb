/** @file The machines that train. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { WorkersView } from "./workers-view";

export const metadata: Metadata = { title: "Workers" };

export default async function WorkersPage() {
  const caller = await requirePermission("runs.read");
  return <WorkersView initialWorkers={await caller.workers.list()} />;
}
