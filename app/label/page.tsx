/** @file The page labelers spend their day in. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import type { Purpose } from "@/server/domain/labeling/claims";
import { ConsoleView } from "./_console/console-view";

export const metadata: Metadata = { title: "Label" };

const purposes: Record<string, Purpose> = { practice: "practice", qualification: "qualification" };

type LabelPageProps = { searchParams: Promise<{ purpose?: string }> };

export default async function LabelPage({ searchParams }: LabelPageProps) {
  const caller = await requirePermission("labeling.work");
  const [status, flags, agreement, { purpose }] = await Promise.all([
    caller.labeling.status(),
    caller.labeling.flags(),
    caller.labeling.agreement(),
    searchParams,
  ]);
  return (
    <ConsoleView
      status={status}
      flags={flags}
      agreement={agreement}
      purpose={purposes[purpose ?? ""] ?? "work"}
    />
  );
}
