/** @file How much a labeler has done, in all and by week. */

import { DataTable } from "@/app/_components/data-table";
import type { LabelingFigures, LabelingStatus } from "@/app/_lib/api-types";
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
              { title: "Active", isNumber: true, cell: ({ activeMs: ms }) => formatDuration(ms / 1000) },
            ]}
            rows={byWeek}
            rowKey={({ week }) => week}
          />
        </div>
      )}
    </Section>
  );
}
