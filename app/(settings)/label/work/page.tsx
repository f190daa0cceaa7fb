/** @file What a labeler has done: figures, recent rankings and demonstrations with what was said of them, questions, preferences. */
import type { Metadata } from "next";
import Link from "next/link";
import { buttonClass } from "@/app/_components/button-class";
import { requirePermission } from "@/app/_lib/server-caller";
import { PageTitle } from "@/app/(settings)/_frame/section";
import { DemonstrationsSection } from "./demonstrations-section";
import { FiguresSection } from "./figures-section";
import { PreferencesSection } from "./preferences-section";
import { QuestionsSection } from "./questions-section";
import { RecentSection } from "./recent-section";

export const metadata: Metadata = { title: "Your work" };

export default async function WorkPage() {
  const caller = await requirePermission("labeling.work");
  const [status, recent, demonstrations, questions, figures] = await Promise.all([
    caller.labeling.status(),
    caller.labeling.recent(),
    caller.labeling.demonstrations(),
    caller.labeling.questions(),
    caller.labeling.figures(),
  ]);
  return (
    <>
      <PageTitle
        aside={
          <div className="flex flex-wrap gap-2">
            <Link href="/label/qualification" className={buttonClass("plain")}>
              Qualification
            </Link>
            <Link href="/label/prompts" className={buttonClass("plain")}>
              Write prompts
            </Link>
            <Link href="/label" className={buttonClass("primary")}>
              Next task
            </Link>
          </div>
        }
      >
        Your work
      </PageTitle>
      <FiguresSection figures={figures} today={status.today} />
      <RecentSection initialRecent={recent} />
      <DemonstrationsSection demonstrations={demonstrations} />
      <QuestionsSection questions={questions} />
      <PreferencesSection mode={status.mode} seesSensitive={status.seesSensitive} mail={status.mail} />
    </>
  );
}
