/** @file The columns of the list of runs. */
import Link from "next/link";
import type { Column } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import type { RunSummary } from "@/app/_lib/api-types";
import { BestOfRun } from "./best-of-run";
import { RunProgress } from "./run-progress";
import { RunStatusBadge } from "./run-status";
import { stageNames } from "./stage-names";

type Choice = { chosen: readonly string[]; onToggle: (id: string, isChosen: boolean) => void };

export function runColumns({ chosen, onToggle }: Choice): Column<RunSummary>[] {
  return [
    {
      title: "Compare",
      isTitleHidden: true,
      cell: ({ id, number, name }) => (
        // The label makes the target as large as a finger.
        <label className="-m-2 block p-2">
          <input
            type="checkbox"
            aria-label={`Compare run ${number}, ${name}`}
            checked={chosen.includes(id)}
            onChange={(event) => onToggle(id, event.target.checked)}
          />
        </label>
      ),
    },
    {
      title: "Run",
      cell: ({ id, number, name, reason }) => (
        <div className="min-w-36">
          <Link href={`/admin/runs/${id}`} className="font-medium underline-offset-2 hover:underline">
            <span className="text-muted">{number}</span> {name}
          </Link>
          {reason && <p className="line-clamp-2 max-w-64 text-small text-muted">{reason}</p>}
        </div>
      ),
    },
    { title: "Status", cell: ({ status }) => <RunStatusBadge status={status} /> },
    { title: "Stage", cell: ({ stage }) => stageNames[stage] },
    {
      title: "Made of",
      cell: ({ base, datasets }) => (
        <div className="min-w-32 text-small">
          <p>{base ? base.name : "nothing"}</p>
          <p className="text-muted">{datasets.map(({ name }) => name).join(", ")}</p>
        </div>
      ),
    },
    { title: "Progress", cell: (run) => <RunProgress run={run} /> },
    { title: "Best held out", isNumber: true, cell: (run) => <BestOfRun run={run} /> },
    {
      title: "Started by",
      cell: ({ createdBy, createdAt }) => (
        <div className="text-small whitespace-nowrap">
          <p>{createdBy?.name ?? "the system"}</p>
          <p className="text-muted">
            <Moment at={createdAt} />
          </p>
        </div>
      ),
    },
  ];
}
