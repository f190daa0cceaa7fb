/** @file The rows of a dataset as they are, page by page; erased ones say so. */
"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { readTurns } from "./read-turns";

export function DatasetRows({ datasetId }: { datasetId: string }) {
  const trpc = useTRPC();
  const list = useInfiniteQuery(
    trpc.datasets.rows.infiniteQueryOptions(
      { datasetId, limit: 20 },
      { getNextPageParam: ({ nextPosition }) => nextPosition },
    ),
  );
  const rows = list.data?.pages.flatMap((page) => page.rows) ?? [];
  if (list.isPending) return <Pulse>Reading the rows…</Pulse>;
  return (
    <>
      {list.error && <Notice tone="error">{errorText(list.error)}</Notice>}
      {rows.length === 0 && <p className="text-muted">There is none yet.</p>}
      <ol className="max-w-[46rem] divide-y divide-line border-y border-line empty:border-none">
        {rows.map(({ position, content }) => (
          <li key={position} className="flex gap-4 py-2">
            <span className="w-12 shrink-0 text-right text-small text-muted tabular">
              {(position + 1).toLocaleString("en")}
            </span>
            <div className="min-w-0 grow space-y-1">
              {content === null ? (
                <p className="text-small text-muted">Erased.</p>
              ) : (
                readTurns(content).map(({ who, text }, i) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: turns of one row keep their order
                  <p key={i} className="line-clamp-6 whitespace-pre-wrap">
                    <span className="mr-2 text-small text-muted">{who}</span>
                    {text}
                  </p>
                ))
              )}
            </div>
          </li>
        ))}
      </ol>
      {list.hasNextPage && (
        <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show more
        </Button>
      )}
    </>
  );
}
