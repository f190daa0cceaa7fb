/** @file Why there is no task, and the one step that changes it. */
"use client";

import { useMutation } from "@tanstack/react-query";
import Link from "next/link";
import type { ReactNode } from "react";
import { Button } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { Notice } from "@/app/_components/notice";
import { PlainPage } from "@/app/_components/plain-page";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import type { Purpose } from "@/server/domain/labeling/claims";
import type { NoTask } from "@/server/domain/labeling/task-schema";
import { lookAgainMs } from "./use-looking-again";
import { useNewAnswers } from "./use-new-answers";

const titles: Record<NoTask["reason"], string> = {
  notQualified: "You are not qualified yet",
  mustAgree: "Before your first task",
  empty: "No task for you right now",
  dailyCap: "Enough for today",
  setAside: "Your work is set aside",
  notSitting: "You are not sitting a test",
  testPaused: "The test is paused",
  testDone: "Everything is answered",
};

type NoTaskPageProps = {
  noTask: NoTask;
  purpose: Purpose;
  agreement: { text: readonly string[] };
  onRetry: () => void;
};

export function NoTaskPage({ noTask, purpose, agreement, onRetry }: NoTaskPageProps) {
  const { reason, text } = noTask;
  const answers = useNewAnswers().length;
  const steps: Record<NoTask["reason"], ReactNode> = {
    mustAgree: <Agreement text={agreement.text} onAgreed={onRetry} />,
    notQualified: (
      <p className="flex flex-wrap gap-2">
        <Link href="/label?purpose=practice" className={buttonClass("primary")}>
          Practise
        </Link>
        <Link href="/label/qualification" className={buttonClass()}>
          Qualification
        </Link>
      </p>
    ),
    empty: purpose === "practice" ? toQualification : <LookAgain onRetry={onRetry} />,
    dailyCap: null,
    setAside: null,
    notSitting: toQualification,
    testPaused: <LookAgain onRetry={onRetry} />,
    testDone: (
      <Link href="/label/qualification" className={buttonClass("primary")}>
        Go and hand it in
      </Link>
    ),
  };
  return (
    <PlainPage title={titles[reason]}>
      <p>{purpose === "practice" && reason === "empty" ? "There is no practice task left for you." : text}</p>
      {steps[reason]}
      <p className="flex flex-wrap gap-x-4 gap-y-1">
        {purpose !== "work" && (
          <Link href="/label" className="text-accent underline underline-offset-2">
            To the work
          </Link>
        )}
        <Link href="/label/work" className="text-accent underline underline-offset-2">
          Your work so far{answers > 0 && ` (${plural(answers, "new answer", "new answers")})`}
        </Link>
        <Link href="/" className="text-accent underline underline-offset-2">
          Conversations
        </Link>
      </p>
    </PlainPage>
  );
}

function LookAgain({ onRetry }: { onRetry: () => void }) {
  return (
    <div className="space-y-2">
      <Button onClick={onRetry}>Look again</Button>
      <p className="text-small text-muted">
        While you are at this page it looks every {lookAgainMs / 1000} seconds by itself.
      </p>
    </div>
  );
}

const toQualification = (
  <Link href="/label/qualification" className={buttonClass("primary")}>
    Qualification
  </Link>
);

export function Agreement({ text, onAgreed }: { text: readonly string[]; onAgreed: () => void }) {
  const agreeing = useMutation(useTRPC().labeling.agree.mutationOptions({ onSuccess: onAgreed }));
  return (
    <>
      <ul className="list-disc space-y-2 pl-5">
        {text.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      {agreeing.error && <Notice tone="error">{errorText(agreeing.error)}</Notice>}
      <Button look="primary" busy={agreeing.isPending} onClick={() => agreeing.mutate()}>
        I agree
      </Button>
    </>
  );
}
