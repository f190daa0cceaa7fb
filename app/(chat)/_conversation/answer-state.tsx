/** @file What there is to say about how an answer came out: waiting, cut, stopped, interrupted, failed, turns left out. */
"use client";

import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { Message } from "@/app/_lib/api-types";

export type AnswerStatus = Message["status"];

type AnswerStateProps = {
  status: AnswerStatus;
  hasText: boolean;
  /** Place in the queue, 1 = next. */
  position: number | null;
  /** Of several answers, of which the best will be shown. */
  progress?: { written: number; of: number } | null;
  /** The best of several was asked for, but they were not compared. */
  isUncompared?: boolean;
  error: string | null;
  droppedTurns: number;
  cutCharacters: number;
  isConnected: boolean;
  /** Left out where the answer can no longer be resumed, because other messages follow it. */
  onContinue?: (() => void) | undefined;
  onRetry?: (() => void) | undefined;
};

export function AnswerState(props: AnswerStateProps) {
  const { status, hasText, position, progress, isUncompared, droppedTurns, cutCharacters, isConnected } =
    props;
  return (
    <div className="mt-2 space-y-2 empty:hidden">
      {status === "queued" && (
        <Pulse>
          {position === null || position <= 1 ? "Waiting to begin…" : `Waiting: number ${position} in line`}
        </Pulse>
      )}
      {status === "streaming" && !hasText && (
        <Pulse>{progress ? describeProgress(progress) : "Reading the conversation…"}</Pulse>
      )}
      {isUncompared && (status === "complete" || status === "length") && (
        <p className="text-small text-muted">
          The best of several answers was asked for, but they could not be compared: this is the first that
          was finished.
        </p>
      )}
      {!isConnected && (
        <p className="text-small text-people" role="status">
          Connection lost. The answer goes on at the server; trying to reach it again…
        </p>
      )}
      {droppedTurns > 0 && (
        <p className="text-small text-muted">
          The conversation is longer than the policy can read: the {turns(droppedTurns)} left out for this
          answer. Instructions and the newest turns were kept.
        </p>
      )}
      {cutCharacters > 0 && (
        <p className="text-small text-muted">
          Your message is longer than the policy can read: its first {cutCharacters.toLocaleString("en")}{" "}
          characters were left out for this answer. Its end was kept.
        </p>
      )}
      <Ending {...props} />
    </div>
  );
}

function Ending({ status, hasText, error, onContinue, onRetry }: AnswerStateProps) {
  const resume = onContinue && hasText && (
    <Button small onClick={onContinue}>
      Continue
    </Button>
  );
  const retry = onRetry && (
    <Button small onClick={onRetry}>
      Try again
    </Button>
  );
  switch (status) {
    case "length":
      return <EndingNotice text="Cut at the longest length set for answers.">{resume}</EndingNotice>;
    case "stopped":
      return (
        <EndingNotice text={hasText ? "Stopped by you." : "Stopped before the first word."}>
          {resume || retry}
        </EndingNotice>
      );
    case "interrupted":
      return (
        <EndingNotice
          text={`The server was stopped while this was being written. ${hasText ? "What had arrived is kept." : "Nothing had arrived yet."}`}
        >
          {resume}
          {retry}
        </EndingNotice>
      );
    case "failed":
      return (
        <EndingNotice tone="error" text={error ?? "The answer could not be made. Your question is kept."}>
          {retry}
          {resume}
        </EndingNotice>
      );
    default:
      return null;
  }
}

type EndingNoticeProps = { tone?: "info" | "error"; text: string; children: React.ReactNode };

function EndingNotice({ tone = "info", text, children }: EndingNoticeProps) {
  return (
    <Notice tone={tone} className="items-center!">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span>{text}</span>
        <span className="flex gap-2">{children}</span>
      </div>
    </Notice>
  );
}

function describeProgress({ written, of }: { written: number; of: number }): string {
  return written === of ? `Choosing the best of ${of} answers…` : `${written} of ${of} answers written…`;
}

function turns(count: number): string {
  return count === 1 ? "oldest message was" : `${count} oldest messages were`;
}
