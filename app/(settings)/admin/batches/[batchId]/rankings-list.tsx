/** @file The rankings of a batch: who put what before what, how far others disagree, and giving one back. */
"use client";

import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Dialog } from "@/app/_components/dialog";
import { TextArea } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { ReviewedRanking } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatDuration } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PreviewDialog } from "./preview-dialog";

export function RankingsList({ batchId }: { batchId: string }) {
  const trpc = useTRPC();
  const [returning, setReturning] = useState<ReviewedRanking | null>(null);
  const [openTaskId, setOpenTaskId] = useState<string | null>(null);
  const list = useInfiniteQuery(
    trpc.batches.rankings.infiniteQueryOptions({ batchId }, { getNextPageParam: (page) => page.nextCursor }),
  );
  const rankings = list.data?.pages.flatMap((page) => page.rankings) ?? [];
  return (
    <>
      {list.error && <Notice tone="error">{errorText(list.error)}</Notice>}
      {list.isSuccess && rankings.length === 0 && (
        <p className="text-muted">
          Nothing was ranked yet. Each ranking is listed here as it comes, to be read, given back or
          adjudicated.
        </p>
      )}
      {rankings.length > 0 && (
        <>
          <p className="mb-2 max-w-[38rem] text-small text-muted">
            Disagreement: of the pairs that this and another labeler's ranking of the task both put in order,
            the share ordered otherwise. Tied pairs are left out.
          </p>
          <DataTable
            caption="Rankings"
            columns={columnsOf({ onReturn: setReturning, onOpen: setOpenTaskId })}
            rows={rankings}
            rowKey={({ id }) => id}
          />
        </>
      )}
      {list.hasNextPage && (
        <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show older
        </Button>
      )}
      {returning && <ReturnDialog ranking={returning} onClose={() => setReturning(null)} />}
      {openTaskId && <PreviewDialog taskId={openTaskId} onClose={() => setOpenTaskId(null)} />}
    </>
  );
}

type Acts = { onReturn: (ranking: ReviewedRanking) => void; onOpen: (taskId: string) => void };

function columnsOf({ onReturn, onOpen }: Acts): Column<ReviewedRanking>[] {
  return [
    {
      title: "By",
      cell: ({ labeler, kind, createdAt, version }) => (
        <div className="min-w-28">
          {labeler.name}
          <p className="text-small text-muted">
            {kind === "labeler" ? "" : `${kind}, `}
            {version > 1 && `version ${version}, `}
            <Moment at={createdAt} />
          </p>
        </div>
      ),
    },
    {
      title: "Order",
      cell: ({ tiers, noneAcceptable }) => (
        <>
          <span className="font-mono whitespace-nowrap">
            {tiers.map((tier) => tier.map(({ letter }) => letter).join(" = ")).join(" > ")}
          </span>
          {noneAcceptable && <p className="text-small text-muted">none acceptable</p>}
        </>
      ),
    },
    {
      title: "Disagreement",
      isNumber: true,
      cell: ({ disagreement }) => (disagreement === null ? "–" : `${Math.round(disagreement * 100)} %`),
    },
    { title: "Active", isNumber: true, cell: ({ activeMs }) => formatDuration(activeMs / 1000) },
    {
      title: "State",
      cell: ({ status, returnedComment, isSetAside, isInSnapshot }) => (
        <div className="max-w-56 text-small">
          {status === "returned"
            ? `given back: ${returnedComment ?? ""}`
            : isInSnapshot
              ? "in a dataset"
              : "counts"}
          {isSetAside && <p className="text-people">set aside</p>}
        </div>
      ),
    },
    {
      title: "Action",
      isTitleHidden: true,
      cell: (ranking) => (
        <div className="flex gap-2">
          <Button small onClick={() => onOpen(ranking.taskId)}>
            Task
          </Button>
          {ranking.kind === "labeler" && ranking.status === "submitted" && !ranking.isInSnapshot && (
            <Button small onClick={() => onReturn(ranking)}>
              Give back
            </Button>
          )}
        </div>
      ),
    },
  ];
}

function ReturnDialog({ ranking, onClose }: { ranking: ReviewedRanking; onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [comment, setComment] = useState("");
  const returning = useMutation(
    trpc.batches.returnRanking.mutationOptions({
      onSuccess: async () => {
        toast({ text: `${ranking.labeler.name} finds it among their own work.` });
        await queries.invalidateQueries({ queryKey: trpc.batches.pathKey() });
        onClose();
      },
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Give the ranking back"
      description="It counts no more until it is done again. What was ranked stays on record."
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          returning.mutate({ rankingId: ranking.id, comment });
        }}
      >
        <TextArea
          label="What to look at again"
          hint={`${ranking.labeler.name} reads this beside the task.`}
          required
          maxLength={2_000}
          value={comment}
          onChange={({ target }) => setComment(target.value)}
        />
        {returning.error && <Notice tone="error">{errorText(returning.error)}</Notice>}
        <Button type="submit" look="primary" busy={returning.isPending}>
          Give it back
        </Button>
      </form>
    </Dialog>
  );
}
