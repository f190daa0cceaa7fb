/** @file The tasks of a batch, each to be looked at as labelers see it. */
"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { SelectField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import type { Batch, BatchTaskRow } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatMetric } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { KnownAnswerDialog } from "./known-answer-dialog";
import { PreviewDialog } from "./preview-dialog";

const statuses = ["sampling", "open", "done", "excluded"] as const;
type Status = (typeof statuses)[number];

export function TasksList({ batch }: { batch: Pick<Batch, "id" | "task" | "purpose" | "doubtFirst"> }) {
  const { id: batchId } = batch;
  const [answeringId, setAnsweringId] = useState<string | null>(null);
  const trpc = useTRPC();
  const [status, setStatus] = useState<Status | null>(null);
  const [openId, setOpenId] = useState<string | null>(null);
  const list = useInfiniteQuery(
    trpc.batches.tasks.infiniteQueryOptions(
      { batchId, status },
      { getNextPageParam: (page) => page.nextCursor, refetchInterval: 15_000 },
    ),
  );
  const tasks = list.data?.pages.flatMap((page) => page.tasks) ?? [];
  return (
    <>
      <div className="mb-3 w-44">
        <SelectField
          label="Status"
          value={status ?? ""}
          onChange={({ target }) => setStatus(statuses.find((one) => one === target.value) ?? null)}
        >
          <option value="">all</option>
          {statuses.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </SelectField>
      </div>
      {list.error && <Notice tone="error">{errorText(list.error)}</Notice>}
      {list.isSuccess && tasks.length === 0 && <p className="text-muted">No task is like that.</p>}
      {tasks.length > 0 && (
        <DataTable
          caption="Tasks"
          columns={columnsOf(batch, { onOpen: setOpenId, onAnswer: setAnsweringId })}
          rows={tasks}
          rowKey={({ id }) => id}
        />
      )}
      {list.hasNextPage && (
        <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show more
        </Button>
      )}
      {openId && <PreviewDialog taskId={openId} onClose={() => setOpenId(null)} />}
      {answeringId && <KnownAnswerDialog taskId={answeringId} onClose={() => setAnsweringId(null)} />}
    </>
  );
}

type Acts = { onOpen: (taskId: string) => void; onAnswer: (taskId: string) => void };

function columnsOf(
  { task, purpose, doubtFirst }: Pick<Batch, "task" | "purpose" | "doubtFirst">,
  { onOpen, onAnswer }: Acts,
): Column<BatchTaskRow>[] {
  const needsAnswer = purpose === "practice" || purpose === "qualification";
  const canKnow = task !== "demonstration" && purpose !== "imported" && purpose !== "evaluation";
  return [
    {
      title: "Prompt",
      cell: ({ excerpt, isSensitive, reasons, isGold, isRepeat }) => (
        <div className="min-w-48">
          <p className="line-clamp-2 break-words">
            {isSensitive ? "sensitive: open it to read" : excerpt || "not to be read"}
          </p>
          {canKnow && needsAnswer && !isGold && <p className="text-small text-people">no known answer yet</p>}
          {(isGold || isRepeat) && (
            <p className="text-small text-muted">{isGold ? "known answer" : "repeated for one labeler"}</p>
          )}
          {reasons.map((reason) => (
            <p key={reason} className="text-small text-people">
              {reason}
            </p>
          ))}
        </div>
      ),
    },
    { title: "Status", cell: ({ status }) => status },
    { title: "Responses", isNumber: true, cell: ({ responses }) => responses },
    { title: "Rankings", isNumber: true, cell: ({ rankings }) => rankings },
    ...(doubtFirst ? [doubtColumn] : []),
    {
      title: "Action",
      isTitleHidden: true,
      cell: ({ id, excerpt, position, status, isRepeat }) => (
        <div className="flex gap-2">
          <Button
            small
            disabled={excerpt === ""}
            aria-label={`Look at task ${position + 1}`}
            onClick={() => onOpen(id)}
          >
            Look at it
          </Button>
          {canKnow && !isRepeat && (status === "open" || status === "done") && (
            <Button
              small
              className="whitespace-nowrap"
              disabled={excerpt === ""}
              aria-label={`Known answer of task ${position + 1}`}
              onClick={() => onAnswer(id)}
            >
              Known answer
            </Button>
          )}
        </div>
      ),
    },
  ];
}

/** Higher goes first. */
const doubtColumn: Column<BatchTaskRow> = {
  title: "Doubt",
  isNumber: true,
  cell: ({ doubt }) => (doubt === null ? "not scored" : formatMetric(doubt)),
};
