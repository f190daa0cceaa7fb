/** @file The runs being compared, with the line each has in the charts. */
import Link from "next/link";
import { type Column, DataTable } from "@/app/_components/data-table";
import type { RunDetail } from "@/app/_lib/api-types";
import { formatMetric } from "@/app/_lib/format";
import { LineSample } from "../_charts/chart-figure";
import { RunProgress } from "../run-progress";
import { RunStatusBadge } from "../run-status";
import { stageNames } from "../stage-names";
import { lineStyle } from "./overlay";

export function ComparedRuns({ runs }: { runs: RunDetail[] }) {
  const columns: Column<RunDetail>[] = [
    {
      title: "Line",
      isTitleHidden: true,
      cell: (run) => <LineSample line={{ label: run.name, ...lineStyle(runs.indexOf(run)) }} />,
    },
    {
      title: "Run",
      cell: ({ id, number, name }) => (
        <Link href={`/admin/runs/${id}`} className="font-medium underline-offset-2 hover:underline">
          <span className="text-muted">{number}</span> {name}
        </Link>
      ),
    },
    { title: "Status", cell: ({ status }) => <RunStatusBadge status={status} /> },
    { title: "Stage", cell: ({ stage }) => stageNames[stage] },
    { title: "Base", cell: ({ base }) => base?.name ?? "nothing" },
    { title: "Data", cell: ({ datasets }) => datasets.map(({ name }) => name).join(", ") },
    { title: "Progress", cell: (run) => <RunProgress run={run} /> },
    {
      title: "Best validation loss",
      isNumber: true,
      cell: ({ best }) => (best ? formatMetric(best.validationLoss) : "–"),
    },
  ];
  return (
    <div className="mt-4">
      <DataTable caption="Runs compared" columns={columns} rows={runs} rowKey={({ id }) => id} />
    </div>
  );
}
