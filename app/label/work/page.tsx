/** @file What a labeler has done: figures, recent rankings, questions, preferences. */
import type { Metadata } from "next";
import Link from "next/link";
import { buttonClass } from "@/app/_components/button-class";
import { requirePermission } from "@/app/_lib/server-caller";
import { PageTitle } from "@/app/(settings)/_frame/section";
import { FiguresSection } from "./figures-section";
import { PreferencesSection } from "./preferences-section";
import { QuestionsSection } from "./questions-section";
import { RecentSection } from "./recent-section";

export const metadata: Metadata = { title: "Your work" };

export default async function WorkPage() {
  const caller = await requirePermission("labeling.work");
  const [status, recent, questions, figures] = await Promise.all([
    caller.labeling.status(),
    caller.labeling.recent(),
    caller.labeling.questions(),
    caller.labeling.figures(),
  ]);
  return (
    <>
      <PageTitle
        aside={
          <p className="flex gap-2">
            <Link href="/label/qualification" className={buttonClass()}>
              Qualification
            </Link>
            <Link href="/label" className={buttonClass("primary")}>
              Next task
            </Link>
          </p>
        }
      >
        Your work
      </PageTitle>
      <FiguresSection figures={figures} today={status.today} />
      <RecentSection initialRecent={recent} />
      <QuestionsSection questions={questions} />
      <PreferencesSection mode={status.mode} seesSensitive={status.seesSensitive} />
    </>
  );
}
