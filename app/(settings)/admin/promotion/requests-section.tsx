/** @file Promotions that were asked for and are not decided: by whom, why, when; approve, carry out, withdraw. */
"use client";

import Link from "next/link";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import type { PromotionRequest } from "@/app/_lib/api-types";
import { Section } from "../../_frame/section";
import { useDecision } from "./use-decision";

type RequestsSectionProps = { requests: PromotionRequest[]; viewerId: string; mayDecide: boolean };

export function RequestsSection({ requests, viewerId, mayDecide }: RequestsSectionProps) {
  const decision = useDecision();
  if (requests.length === 0) return null;
  const columns: Column<PromotionRequest>[] = [
    {
      title: "What",
      cell: ({ kind, checkpoint, isCold }) => (
        <>
          <Link
            href={`/admin/promotion?candidate=${checkpoint.id}`}
            className="font-medium underline decoration-line underline-offset-2"
          >
            {checkpoint.name}
          </Link>{" "}
          <span className="text-muted">
            {kind === "canary" ? "canary" : "to live"}
            {isCold && ", the live policy unloaded first"}
          </span>
        </>
      ),
    },
    { title: "By", cell: ({ requestedBy }) => requestedBy?.name || "an account since deleted" },
    { title: "Why", cell: ({ reason }) => <span className="wrap-anywhere">{reason}</span> },
    {
      title: "When",
      cell: ({ scheduledFor }) => (
        <span className="whitespace-nowrap">
          {scheduledFor ? <Moment at={scheduledFor} /> : "when carried out"}
        </span>
      ),
    },
    {
      title: "Acts",
      isTitleHidden: true,
      cell: ({ id, kind, checkpoint, requestedBy }) =>
        mayDecide && (
          <div className="flex justify-end gap-2">
            {requestedBy?.id !== viewerId && (
              <Act
                word="Approve"
                of={`${kind} of ${checkpoint.name}`}
                isBusy={decision.isBusy}
                onAct={() => decision.approve(id)}
              />
            )}
            <Act
              word="Carry out"
              of={`${kind} of ${checkpoint.name}`}
              isBusy={decision.isBusy}
              onAct={() => decision.carryOut(id)}
            />
            <Act
              word="Withdraw"
              of={`${kind} of ${checkpoint.name}`}
              isBusy={decision.isBusy}
              onAct={() => decision.withdraw(id)}
            />
          </div>
        ),
    },
  ];
  return (
    <Section title="Requests" text="Asked for, and not decided.">
      <DataTable caption="Requests" columns={columns} rows={requests} rowKey={({ id }) => id} />
    </Section>
  );
}

type ActProps = { word: string; of: string; isBusy: boolean; onAct: () => void };

/** Rows repeat it: what it acts on is in its name. */
function Act({ word, of, isBusy, onAct }: ActProps) {
  return (
    <Button small busy={isBusy} aria-label={`${word}: ${of}`} onClick={onAct}>
      {word}
    </Button>
  );
}
