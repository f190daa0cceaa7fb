/** @file What was live when, as a strip and as a table, with who decided, why, and the signed card of each. */
"use client";

import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import type { PromotionHistoryPage, PromotionHistoryRow, PromotionState } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { HistoryStrip } from "./history-strip";
import { kindWords } from "./kind-words";
import { ReasonDialog } from "./reason-dialog";
import { useDecision } from "./use-decision";

type HistorySectionProps = { firstPage: PromotionHistoryPage; state: PromotionState; mayDecide: boolean };

export function HistorySection({ firstPage, state, mayDecide }: HistorySectionProps) {
  const trpc = useTRPC();
  const { refresh } = useDecision();
  const [noted, setNoted] = useState<PromotionHistoryRow | null>(null);
  const list = useInfiniteQuery(
    trpc.promotion.history.infiniteQueryOptions(
      {},
      {
        getNextPageParam: (page) => page.nextCursor,
        initialData: { pages: [firstPage], pageParams: [null] },
      },
    ),
  );
  const noting = useMutation(
    trpc.promotion.note.mutationOptions({ onSuccess: () => setNoted(null), onSettled: refresh }),
  );
  const rows = list.data.pages.flatMap((page) => page.rows);
  return (
    <Section
      title="History"
      text="Rows are only ever added. A card holds what a policy was made from and who decided, signed."
    >
      <HistoryStrip rows={rows} liveId={state.live?.id ?? null} />
      <DataTable
        caption="History"
        columns={columns(mayDecide ? setNoted : null)}
        rows={rows}
        rowKey={({ id }) => String(id)}
      />
      {list.hasNextPage && (
        <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show older
        </Button>
      )}
      {noted && (
        <ReasonDialog
          title={`About ${noted.checkpoint.name}`}
          description="What is to be known about this decision, also years from now."
          label="Note"
          act="Add the note"
          error={noting.error}
          isBusy={noting.isPending}
          onSubmit={(text) => noting.mutate({ promotionId: noted.id, text })}
          onClose={() => setNoted(null)}
        />
      )}
    </Section>
  );
}

function columns(onNote: ((row: PromotionHistoryRow) => void) | null): Column<PromotionHistoryRow>[] {
  return [
    {
      title: "When",
      cell: ({ at }) => (
        <span className="whitespace-nowrap">
          <Moment at={at} />
        </span>
      ),
    },
    { title: "Channel", cell: ({ channel }) => channel },
    {
      title: "What",
      cell: ({ kind, checkpoint, trafficShare }) => (
        <div className="min-w-40">
          <span className="font-medium">{checkpoint.name}</span>{" "}
          <span className="text-muted">
            {kindWords[kind]}
            {trafficShare > 0 && `, ${trafficShare} %`}
          </span>
        </div>
      ),
    },
    { title: "By", cell: ({ actor }) => (actor ? actor.name || "an account since deleted" : "the server") },
    {
      title: "Why",
      cell: ({ reason, notes }) => (
        <div className="min-w-40 wrap-anywhere">
          {reason || <span className="text-muted">no reason yet</span>}
          {notes.map(({ text, by, at }) => (
            <p key={new Date(at).getTime()} className="text-small text-muted">
              {by}: {text}
            </p>
          ))}
        </div>
      ),
    },
    {
      title: "Model card",
      cell: (row) => (
        <span className="whitespace-nowrap text-small">
          <CardLink row={row} format="markdown" text="to read" /> ·{" "}
          <CardLink row={row} format="json" text="signed" />
        </span>
      ),
    },
    {
      title: "Acts",
      isTitleHidden: true,
      cell: (row) =>
        onNote && (
          <Button small aria-label={`${noteWord(row)}: ${nameOf(row)}`} onClick={() => onNote(row)}>
            {noteWord(row)}
          </Button>
        ),
    },
  ];
}

const noteWord = ({ reason }: PromotionHistoryRow) => (reason ? "Add a note" : "Say why");

/** One policy may be there more than once. */
const nameOf = ({ id, checkpoint }: PromotionHistoryRow) => `${checkpoint.name}, row ${id}`;

type CardLinkProps = { row: PromotionHistoryRow; format: "markdown" | "json"; text: string };

function CardLink({ row, format, text }: CardLinkProps) {
  return (
    <a
      href={`/api/promotions/${row.id}/card?format=${format}`}
      aria-label={`Model card ${text}: ${nameOf(row)}`}
      download
      className="underline decoration-line underline-offset-2"
    >
      {text}
    </a>
  );
}
