/** @file A labeler's way to qualification: practice, the test, its result. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { QualificationView } from "./qualification-view";

export const metadata: Metadata = { title: "Qualification" };

export default async function QualificationPage() {
  const caller = await requirePermission("labeling.work");
  const [state, agreement] = await Promise.all([caller.qualification.own(), caller.labeling.agreement()]);
  return <QualificationView initialState={state} agreement={agreement} />;
}
