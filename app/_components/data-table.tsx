/** @file A plain table: a caption for screen readers, right-aligned numbers, sideways scrolling on small screens. */
import type { ReactNode } from "react";
import { classNames } from "./class-names";

export type Column<Row> = {
  title: string;
  cell: (row: Row) => ReactNode;
  isNumber?: boolean;
  /** Read by screen readers only: a column of buttons needs no visible title. */
  isTitleHidden?: boolean;
};

type DataTableProps<Row> = {
  caption: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
};

export function DataTable<Row>({ caption, columns, rows, rowKey }: DataTableProps<Row>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1)
    <section aria-label={caption} tabIndex={0} className="relative -mx-2 overflow-x-auto">
      <table className="w-full border-collapse">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr className="border-b border-line text-small text-muted">
            {columns.map(({ title, isNumber, isTitleHidden }) => (
              <th
                key={title}
                scope="col"
                className={classNames("px-2 py-1.5 font-medium", isNumber ? "text-right" : "text-left")}
              >
                {isTitleHidden ? <span className="sr-only">{title}</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} className="border-b border-line align-baseline">
              {columns.map(({ title, cell, isNumber, isTitleHidden }) => (
                <td
                  key={title}
                  className={classNames(
                    "px-2 py-2",
                    isNumber && "text-right",
                    (isNumber || isTitleHidden) && "whitespace-nowrap",
                  )}
                >
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
