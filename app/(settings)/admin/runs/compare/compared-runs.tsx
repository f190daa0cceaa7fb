/** @file The runs being compared, with the line each has in the charts. */
import Link from "next/link";
import { type Column, DataTable } from "@/app/_components/data-table";
import type { RunDetail } from "@/app/_lib/api-types";
import { LineSample } from "../_charts/chart-figure";
import { BestOfRun } from "../best-of-run";
import { RunProgress } from "../run-progress";
import { RunStatusBadge } from "../run-status";
import { stageNames } from "../stage-names";
import { lineStyle, type RunGroup } from "./overlay";

type ComparedRunsProps = { runs: RunDetail[]; groups: readonly RunGroup[] };

export function ComparedRuns({ runs, groups }: ComparedRunsProps) {
  const lineOf = (id: string) => lineStyle(groups.findIndex(({ runIds }) => runIds.includes(id)));
  const columns: Column<RunDetail>[] = [
    {
      title: "Line",
      isTitleHidden: true,
      cell: (run) => <LineSample line={{ label: run.name, ...lineOf(run.id) }} />,
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
    { title: "Best held out", isNumber: true, cell: (run) => <BestOfRun run={run} /> },
    {
      title: "Metrics",
      cell: ({ id, number }) => (
        <a
          href={`/api/runs/${id}/export?content=metrics&format=csv`}
          download
          aria-label={`Metrics of run ${number} as CSV`}
          className="underline decoration-line underline-offset-2 hover:decoration-current"
        >
          CSV
        </a>
      ),
    },
  ];
  return (
    <div className="mt-4">
      <DataTable caption="Runs compared" columns={columns} rows={runs} rowKey={({ id }) => id} />
    </div>
  );
}
