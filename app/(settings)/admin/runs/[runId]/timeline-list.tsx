/** @file Part of a run's timeline as a list: newest first, live, older on request, and as a file. */
"use client";

import { Button } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { TimelineRow } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { describeRow, isBad } from "./describe-row";
import { ExportLinks } from "./export-links";
import { useTimeline } from "./use-timeline";

type TimelineListProps = {
  runId: string;
  kinds: readonly TimelineRow["kind"][];
  newRows: readonly TimelineRow[];
  exportContent: "timeline" | "logs";
  /** Shown where there are none. */
  empty: string;
};

export function TimelineList({ runId, kinds, newRows, exportContent, empty }: TimelineListProps) {
  const { rows, error, isPending, hasNextPage, isFetchingNextPage, fetchNextPage } = useTimeline({
    runId,
    kinds,
    newRows,
    limit: 100,
  });
  if (isPending) return <Pulse>Reading…</Pulse>;
  return (
    <div className="space-y-3">
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {rows.length === 0 ? (
        <p className="text-muted">{empty}</p>
      ) : (
        <ol
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1)
          tabIndex={0}
          aria-label="Rows, newest first"
          className="max-h-[32rem] divide-y divide-line overflow-y-auto"
        >
          {rows.map((row) => (
            <li
              key={row.number}
              className="grid gap-x-4 py-1.5 text-small sm:grid-cols-[11rem_5rem_minmax(0,1fr)]"
            >
              <span className="text-muted">
                <Moment at={row.at} />
              </span>
              <span className="text-muted tabular">
                {row.step === null ? "" : `step ${row.step.toLocaleString("en")}`}
              </span>
              <span
                className={classNames(
                  "min-w-0 whitespace-pre-wrap",
                  row.kind === "log" && "font-mono",
                  isBad(row) && "text-danger",
                )}
              >
                {describeRow(row)}
              </span>
            </li>
          ))}
        </ol>
      )}
      <div className="flex flex-wrap items-center gap-4">
        {hasNextPage && (
          <Button small busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Show older
          </Button>
        )}
        {rows.length > 0 && <ExportLinks runId={runId} content={exportContent} />}
        {rows.length > 0 && exportContent === "timeline" && <ExportLinks runId={runId} content="incidents" />}
      </div>
    </div>
  );
}
