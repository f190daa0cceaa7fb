/** @file One's question with its answer, and the version of the guidelines that took it as an example. */
"use client";

import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Moment } from "@/app/_components/moment";
import type { OwnQuestion } from "@/app/_lib/api-types";
import { GuidelinesDialog } from "./guidelines-dialog";

export function QuestionAnswer({ question: asked, note }: { question: OwnQuestion; note?: string }) {
  const { question, answer, createdAt, exampleInVersion } = asked;
  const [isReading, setIsReading] = useState(false);
  return (
    <>
      <p className="whitespace-pre-wrap break-words">{question}</p>
      <p className="text-small text-muted">
        <Moment at={createdAt} />
        {note && ` · ${note}`}
        {answer === null && " · no answer yet"}
      </p>
      {answer !== null && (
        <p className="mt-1 whitespace-pre-wrap break-words">
          <span className="font-medium">Answer: </span>
          {answer}
        </p>
      )}
      {exampleInVersion !== null && (
        <p className="mt-1 flex flex-wrap items-center gap-2 text-small text-muted">
          An example in version {exampleInVersion} of the guidelines.
          <Button small look="quiet" onClick={() => setIsReading(true)}>
            Read version {exampleInVersion}
          </Button>
        </p>
      )}
      {isReading && exampleInVersion !== null && (
        <GuidelinesDialog version={exampleInVersion} onClose={() => setIsReading(false)} />
      )}
    </>
  );
}
