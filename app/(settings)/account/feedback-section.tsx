/** @file What became of each piece of one's feedback: from the queue of labelers to the policy people talk to. */
"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { FeedbackJourney, JourneyPage } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../_frame/section";

export function FeedbackSection({ firstPage }: { firstPage: JourneyPage }) {
  const trpc = useTRPC();
  const list = useInfiniteQuery(
    trpc.account.feedbackJourney.infiniteQueryOptions(
      {},
      {
        getNextPageParam: (page) => page.nextCursor,
        initialData: { pages: [firstPage], pageParams: [null] },
      },
    ),
  );
  const rows = list.data.pages.flatMap((page) => page.feedback);
  return (
    <Section
      title="What became of your feedback"
      text="Labelers see questions and answers without your name; you see how far each has come."
    >
      {list.error && <Notice tone="error">{errorText(list.error)}</Notice>}
      {rows.length === 0 ? (
        <p className="text-muted">
          There is none yet. A thumb under an answer is all it takes; what is made of it will be told here.
        </p>
      ) : (
        <DataTable
          caption="What became of your feedback"
          columns={columns}
          rows={rows}
          rowKey={({ id }) => id}
        />
      )}
      {list.hasNextPage && (
        <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show more
        </Button>
      )}
    </Section>
  );
}

const columns: Column<FeedbackJourney>[] = [
  {
    title: "About",
    cell: ({ conversationId, question, conversationTitle }) => (
      <Link
        href={`/c/${conversationId}`}
        className="line-clamp-2 min-w-40 break-words underline decoration-line underline-offset-2"
      >
        {question || conversationTitle || "a conversation"}
      </Link>
    ),
  },
  { title: "You said", cell: (row) => <span className="text-small">{describeFeedback(row)}</span> },
  { title: "When", cell: ({ givenAt }) => <Moment at={givenAt} withTime={false} /> },
  { title: "What became of it", cell: (row) => <Stage row={row} /> },
];

function describeFeedback({ thumb, comparison, hasCorrection }: FeedbackJourney): string {
  const parts = [
    thumb === 1 && "thumb up",
    thumb === -1 && "thumb down",
    comparison && `${comparison} than before`.replace("same than", "same as"),
    hasCorrection && "a better answer",
  ];
  return parts.filter(Boolean).join(", ") || "a comment";
}

const leftOut: Record<NonNullable<FeedbackJourney["leftOutBecause"]>, string> = {
  duplicate: "left out: somebody asked nearly the same",
  ownerLimit: "left out: 200 of your questions are in use already",
  tooLong: "left out: the conversation is too long to be ranked",
  reported: "left out: somebody found it unfit to be shown",
};

function Stage({ row }: { row: FeedbackJourney }) {
  const { stage, rankings, snapshotAt, liveSince, leftOutBecause } = row;
  const ranked = plural(rankings, "ranking", "rankings");
  if (stage === "live" && liveSince) {
    return (
      <>
        <MeaningBadge meaning="live">part of the live policy</MeaningBadge>
        <span className="block text-small text-muted">
          since <Moment at={liveSince} withTime={false} />, by {ranked}
        </span>
      </>
    );
  }
  if (stage === "inSnapshot" && snapshotAt) {
    return (
      <span>
        in training data since <Moment at={snapshotAt} withTime={false} />, by {ranked}
      </span>
    );
  }
  const texts: Record<FeedbackJourney["stage"], string> = {
    notUsed: "not used: you do not let this conversation be used",
    waiting: "will be looked at within minutes",
    leftOut: leftOutBecause ? leftOut[leftOutBecause] : "left out",
    queued: "waits for labelers",
    ranked: `ranked (${ranked})`,
    inSnapshot: "in training data",
    live: "part of the live policy",
  };
  return <span className={stage === "notUsed" ? "text-muted" : undefined}>{texts[stage]}</span>;
}
