/** @file How far labelers agree, and where they do not. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { AgreementView } from "./agreement-view";

export const metadata: Metadata = { title: "Agreement" };

export default async function AgreementPage() {
  const caller = await requirePermission("labeling.lead");
  const [choices, report] = await Promise.all([caller.agreement.choices(), caller.agreement.report({})]);
  return <AgreementView choices={choices} report={report} />;
}
