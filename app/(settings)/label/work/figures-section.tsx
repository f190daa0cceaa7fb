/** @file How much a labeler has done, in all and by week, and how far they agree with others and with themselves. */

import { DataTable } from "@/app/_components/data-table";
import type { LabelingFigures, LabelingStatus } from "@/app/_lib/api-types";
import { describeShare } from "@/app/_lib/describe-share";
import { formatDuration, plural } from "@/app/_lib/format";
import { Section } from "@/app/(settings)/_frame/section";

type FiguresSectionProps = { figures: LabelingFigures; today: LabelingStatus["today"] };

export function FiguresSection({ figures, today }: FiguresSectionProps) {
  const { tasks, comparisons, ties, activeMs, byWeek } = figures;
  const total = (
    <>
      Today {plural(today.tasks, "task", "tasks")} in {formatDuration(today.activeMs / 1000)}. In all{" "}
      {plural(tasks, "task", "tasks")}, {plural(comparisons, "comparison", "comparisons")} and{" "}
      {plural(ties, "tie", "ties")} in {formatDuration(activeMs / 1000)}.
    </>
  );
  return (
    <Section
      title="Figures"
      text="Active time leaves out minutes in which nothing was done. A ranking of nine without ties makes 36 comparisons; tied pairs make none."
    >
      <p className="tabular">{activeMs === 0 ? "Nothing yet." : total}</p>
      {byWeek.length > 0 && (
        <div className="mt-3 max-w-md">
          <DataTable
            caption="By week"
            columns={[
              { title: "Week from", cell: ({ week }) => week },
              { title: "Tasks", isNumber: true, cell: ({ tasks: count }) => count },
              { title: "Comparisons", isNumber: true, cell: ({ comparisons: count }) => count },
              { title: "Active", isNumber: true, cell: ({ activeMs: ms }) => formatDuration(ms / 1000) },
            ]}
            rows={byWeek}
            rowKey={({ week }) => week}
          />
        </div>
      )}
      <Agreement figures={figures} />
    </Section>
  );
}

type Share = NonNullable<LabelingFigures["agreement"]>;

/** Below this many tasks a labeler is told no figure. */
const fewestTasks = 5;

function Agreement({ figures: { agreement, selfAgreement } }: { figures: LabelingFigures }) {
  const rows: { what: string; share: Share | null; missing: string }[] = [
    {
      what: "With others",
      share: agreement,
      missing: `From ${fewestTasks} tasks on that others have ranked too.`,
    },
    {
      what: "With yourself",
      share: selfAgreement,
      missing: `From ${fewestTasks} tasks on that came to you again after weeks.`,
    },
  ];
  const tieRuleText = (agreement ?? selfAgreement)?.tieRuleText;
  return (
    <div className="mt-6 max-w-xl">
      <h3 className="font-medium">Agreement</h3>
      <p className="mb-2 max-w-[38rem] text-small text-muted">
        How often the same pair was put in the same order, with its 95 % interval. In InstructGPT, training
        labelers agreed with one another on 72.6 % of pairs, held-out ones on 77.3 %.
        {tieRuleText && ` ${tieRuleText}`}
      </p>
      <DataTable
        caption="Agreement"
        columns={[
          { title: "Agreement", cell: ({ what }) => what },
          { title: "Share", cell: ({ share, missing }) => (share ? describeShare(share) : missing) },
          { title: "Pairs", isNumber: true, cell: ({ share }) => share?.n ?? "–" },
          { title: "Tasks", isNumber: true, cell: ({ share }) => share?.tasks ?? "–" },
        ]}
        rows={rows}
        rowKey={({ what }) => what}
      />
    </div>
  );
}
