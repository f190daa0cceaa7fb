/** @file All settings of a run; those that are not the stage's defaults are said to be. */
"use client";

import { type Column, DataTable } from "@/app/_components/data-table";
import type { StageDescription } from "@/app/_lib/api-types";
import { flattenConfig } from "../config-diff";
import { readDefaults } from "../new/read-settings";

type ConfigTableProps = {
  config: Record<string, unknown>;
  settings: StageDescription["settings"] | null;
};

type Row = { name: string; value: string; standard: string | null };

export function ConfigTable({ config, settings }: ConfigTableProps) {
  const defaults = settings ? flattenConfig(readDefaults(settings)) : new Map<string, string>();
  const rows = [...flattenConfig(config)].map(([name, value]): Row => {
    const standard = defaults.get(name) ?? null;
    return { name, value, standard: standard === value ? null : standard };
  });
  const changed = rows.filter(({ standard }) => standard !== null);
  return (
    <div className="max-w-[46rem] space-y-3">
      <p className="text-small text-muted">
        {changed.length === 0
          ? "All as the stage has them by default."
          : `Not the defaults: ${changed.map(({ name }) => name).join(", ")}.`}
      </p>
      <DataTable caption="Settings" columns={columns} rows={rows} rowKey={({ name }) => name} />
    </div>
  );
}

const columns: Column<Row>[] = [
  { title: "Setting", cell: ({ name }) => <code className="font-mono text-small">{name}</code> },
  {
    title: "Value",
    cell: ({ value, standard }) => <span className={standard === null ? "" : "font-semibold"}>{value}</span>,
  },
  { title: "Default", cell: ({ standard }) => <span className="text-muted">{standard ?? "same"}</span> },
];
