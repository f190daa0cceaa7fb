/** @file Downloads of the rankings, one link a layout, each with what it cannot hold. */
import { buttonClass } from "@/app/_components/button-class";
import { Icon } from "@/app/_components/icon";
import type { RankingsLayout } from "@/app/_lib/api-types";

export function ExportLinks({ layouts }: { layouts: RankingsLayout[] }) {
  const all = [...layouts, { name: "parquet", label: "Parquet", leavesOut: null }];
  return (
    <ul className="max-w-[60rem] divide-y divide-line border-y border-line">
      {all.map(({ name, label, leavesOut }) => (
        <li
          key={name}
          className="grid items-center gap-x-4 gap-y-1 py-1.5 sm:grid-cols-[17rem_minmax(0,1fr)]"
        >
          <a
            href={`/api/rankings/export?layout=${name}`}
            download
            className={`${buttonClass("quiet", true)} -ml-2.5 justify-self-start text-left`}
          >
            <Icon name="download" size={16} />
            {label}
          </a>
          <span className="text-small text-muted">
            {leavesOut === null ? "Keeps everything." : `Leaves out: ${lowerFirst(leavesOut)}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

const lowerFirst = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1);
