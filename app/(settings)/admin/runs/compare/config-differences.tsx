/** @file The settings in which runs differ, one column a run; the others are said to be the same. */
import { type Column, DataTable } from "@/app/_components/data-table";
import type { RunDetail } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { type ConfigRow, compareConfigs } from "../config-diff";

export function ConfigDifferences({ runs }: { runs: RunDetail[] }) {
  const rows = compareConfigs(
    runs.map(({ stage, base, datasets, config }) => ({
      stage,
      base: base?.name ?? null,
      data: datasets.map(({ name, role }) => (role === "data" ? name : `${name} (mixed in)`)).join(", "),
      ...config,
    })),
  );
  const differing = rows.filter(({ differs }) => differs);
  const same = rows.length - differing.length;
  const columns: Column<ConfigRow>[] = [
    { title: "Setting", cell: ({ name }) => <code className="font-mono text-small">{name}</code> },
    ...runs.map(({ number }, i) => ({ title: `Run ${number}`, cell: ({ values }: ConfigRow) => values[i] })),
  ];
  if (differing.length === 0)
    return <p className="text-muted">They have the same settings, base and data.</p>;
  return (
    <>
      <DataTable
        caption="Differing settings"
        columns={columns}
        rows={differing}
        rowKey={({ name }) => name}
      />
      <p className="mt-2 text-small text-muted">
        {plural(same, "setting is", "settings are")} the same in all of them.
      </p>
    </>
  );
}
