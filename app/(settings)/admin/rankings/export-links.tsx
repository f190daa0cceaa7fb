/** @file Downloads of the rankings, one link a layout, each with what it cannot hold. */
import { buttonClass } from "@/app/_components/button-class";
import type { RankingsLayout } from "@/app/_lib/api-types";

export function ExportLinks({ layouts }: { layouts: RankingsLayout[] }) {
  const all = [...layouts, { name: "parquet", label: "Parquet", leavesOut: null }];
  return (
    <ul className="space-y-2">
      {all.map(({ name, label, leavesOut }) => (
        <li key={name} className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
          <a href={`/api/rankings/export?layout=${name}`} download className={buttonClass("plain", true)}>
            {label}
          </a>
          <span className="text-small text-muted">
            {leavesOut === null ? "Keeps everything." : `Leaves out: ${leavesOut}.`}
          </span>
        </li>
      ))}
    </ul>
  );
}
