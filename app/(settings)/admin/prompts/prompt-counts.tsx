/** @file How many prompts there are by source, state and split, and how many each rule put aside. A number leads to its prompts. */

import { type Column, DataTable } from "@/app/_components/data-table";
import type { PromptCounts, PromptFilter } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { describeMasked, ruleNames, sourceNames, splitNames } from "@/app/_lib/prompt-names";

type PromptCountsTableProps = { counts: PromptCounts; onChoose: (filter: PromptFilter) => void };
type Group = PromptCounts["groups"][number];
type Source = Group["source"];

const states = ["ready", "removed", "reported", "erased"] as const;
const splits = ["train", "validation", "test"] as const;
const rules = ["duplicate", "ownerLimit", "tooLong"] as const;

export function PromptCountsTable({ counts, onChoose }: PromptCountsTableProps) {
  const { groups, withheld, masked } = counts;
  const sources = [...new Set(groups.map(({ source }) => source))];
  const sum = (where: Partial<Group>) =>
    groups
      .filter((group) => Object.entries(where).every(([key, value]) => Reflect.get(group, key) === value))
      .reduce((total, { count }) => total + count, 0);
  const link = (count: number, filter: PromptFilter) =>
    count === 0 ? (
      "–"
    ) : (
      <button
        type="button"
        className="underline decoration-line underline-offset-2 hover:decoration-current"
        onClick={() => onChoose(filter)}
      >
        {count.toLocaleString("en")}
      </button>
    );
  const columns: Column<Source>[] = [
    { title: "Source", cell: (source) => sourceNames[source] },
    ...states.map((status) => ({
      title: upperFirst(status),
      isNumber: true,
      cell: (source: Source) => link(sum({ source, status }), { source, status }),
    })),
    ...splits.map((split) => ({
      title: `Ready: ${splitNames[split]}`,
      isNumber: true,
      cell: (source: Source) =>
        link(sum({ source, split, status: "ready" }), { source, split, status: "ready" }),
    })),
  ];
  const maskedText = describeMasked(masked);
  const putAside = rules.filter((removedBy) => sum({ removedBy }) > 0);
  return (
    <>
      <div className="mt-4 max-w-3xl">
        <DataTable caption="Prompts by source" columns={columns} rows={sources} rowKey={(source) => source} />
      </div>
      <dl className="mt-4 grid max-w-3xl grid-cols-[auto_1fr] gap-x-6 gap-y-1 text-small">
        <dt className="text-muted">Put aside</dt>
        <dd className="tabular flex flex-wrap gap-x-4">
          {putAside.length === 0 && "none"}
          {putAside.map((removedBy) => (
            <span key={removedBy}>
              {ruleNames[removedBy]} {link(sum({ removedBy }), { removedBy })}
            </span>
          ))}
        </dd>
        <dt className="text-muted">Masked</dt>
        <dd>
          {maskedText === "" ? (
            "nothing"
          ) : (
            <button
              type="button"
              className="text-left underline decoration-line underline-offset-2 hover:decoration-current"
              onClick={() => onChoose({ isMasked: true })}
            >
              {maskedText}
            </button>
          )}
        </dd>
        {withheld > 0 && (
          <>
            <dt className="text-muted">Withheld</dt>
            <dd>{plural(withheld, "prompt", "prompts")} whose owners do not agree (any more)</dd>
          </>
        )}
      </dl>
    </>
  );
}

const upperFirst = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
