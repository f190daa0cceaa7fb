/** @file What the charts show, as a table: for screen readers, and for whoever wants the numbers. */
"use client";

import { useState } from "react";
import { type Column, DataTable } from "@/app/_components/data-table";
import { formatMetric } from "@/app/_lib/format";
import { spread } from "./curve-data";

type CurvesTableProps = {
  caption: string;
  /** What opens it. */
  summary: string;
  xTitle: string;
  xs: readonly number[];
  columns: { title: string; values: readonly (number | null)[] }[];
};

const rowsShown = 40;

export function CurvesTable({ caption, summary, xTitle, xs, columns }: CurvesTableProps) {
  const [isOpen, setIsOpen] = useState(false);
  const rows = isOpen ? spread(xs.length, rowsShown) : [];
  const tableColumns: Column<number>[] = [
    { title: xTitle, isNumber: true, cell: (i) => formatMetric(xs[i]) },
    ...columns.map(({ title, values }) => ({
      title,
      isNumber: true,
      cell: (i: number) => formatMetric(values[i]),
    })),
  ];
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)} className="mt-2">
      <summary className="w-fit text-small text-muted hover:text-ink">{summary}</summary>
      <div className="mt-2 max-h-96 overflow-y-auto">
        {xs.length > rowsShown && (
          <p className="text-small text-muted">
            {rowsShown} of {xs.length.toLocaleString("en")} points, spread evenly; the CSV has every step.
          </p>
        )}
        <DataTable caption={caption} columns={tableColumns} rows={rows} rowKey={String} />
      </div>
    </details>
  );
}
