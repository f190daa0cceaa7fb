/** @file The texts behind a win rate, worst losses first: each prompt, both answers side by side, who said what. */
"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { SelectField } from "@/app/_components/field";
import { Markdown } from "@/app/_components/markdown";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { ScrolledPrompt } from "@/app/_components/scrolled-prompt";
import { SensitiveText } from "@/app/_components/sensitive-text";
import type { JudgeKey, PolicySlice, Transcript } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { PinButton } from "../cases/pin-button";
import { sliceName } from "./describe-win-rate";

type TranscriptsProps = {
  candidateId: string;
  opponentId: string;
  judge: JudgeKey;
  judgeName: string;
  without: string[];
  slices: readonly PolicySlice[];
  slice: PolicySlice | null;
  onSlice: (slice: PolicySlice | null) => void;
};

const keyOf = ({ by, value }: PolicySlice) => `${by} ${value}`;

export function Transcripts({ judgeName, slices, slice, onSlice, ...question }: TranscriptsProps) {
  const trpc = useTRPC();
  const known = slice && slices.some((each) => keyOf(each) === keyOf(slice)) ? slice : null;
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    trpc.evaluations.transcripts.infiniteQueryOptions(
      { ...question, slice: known && { by: known.by, value: known.value } },
      { getNextPageParam: ({ nextCursor }) => nextCursor },
    ),
  );
  const found = data?.pages.flatMap(({ transcripts }) => transcripts);
  const total = data?.pages[0]?.total ?? 0;
  return (
    <Section
      title="Transcripts"
      text={`Judged by ${judgeName}, the worst losses of the candidate first.${question.judge.kind === "people" ? " Where personal data was found in a chat it counts, and is not shown." : ""}`}
    >
      {slices.length > 0 && (
        <div className="mb-3 max-w-80">
          <SelectField
            label="Prompts"
            value={known ? keyOf(known) : ""}
            onChange={({ target }) => onSlice(slices.find((each) => keyOf(each) === target.value) ?? null)}
          >
            <option value="">all</option>
            {slices.map((each) => (
              <option key={keyOf(each)} value={keyOf(each)}>
                {sliceName(each)}
              </option>
            ))}
          </SelectField>
        </div>
      )}
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!found && !error && <Pulse>Reading transcripts…</Pulse>}
      {found?.map((transcript) => (
        <TranscriptDetails
          key={transcript.taskId}
          transcript={transcript}
          canPin={question.judge.kind !== "people"}
        />
      ))}
      {found && (
        <p className="mt-3 flex flex-wrap items-center gap-3 text-small text-muted">
          {found.length} of {plural(total, "prompt", "prompts")}
          {hasNextPage && (
            <Button small busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              Show more
            </Button>
          )}
        </p>
      )}
    </Section>
  );
}

const verdictNames = { win: "candidate", loss: "opponent", tie: "tie", bothBad: "both bad" } as const;

/** Questions in chat are prompts only once they are collected: until then there is nothing to pin. */
type TranscriptProps = { transcript: Transcript; canPin: boolean };

/** Its content is made when it is opened: answers are long. */
function TranscriptDetails({ transcript, canPin }: TranscriptProps) {
  const [isOpen, setIsOpen] = useState(false);
  const { messages, isSensitive } = transcript;
  const start = isSensitive ? "a sensitive prompt" : (messages.at(-1)?.content ?? "");
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)} className="border-b border-line py-2">
      <summary className="hover:bg-hover">
        <span className="font-medium">{outcomeOf(transcript)}</span>{" "}
        <span className="text-small text-muted tabular">{votesOf(transcript)}</span>
        <span className="line-clamp-1 pl-4">{start}</span>
      </summary>
      {isOpen && (
        <SensitiveText isSensitive={isSensitive}>
          <TranscriptContent transcript={transcript} canPin={canPin} />
        </SensitiveText>
      )}
    </details>
  );
}

function outcomeOf({ credit, isSame }: Transcript): string {
  if (isSame) return "Equal answers";
  if (credit === 0) return "Loss";
  if (credit === 1) return "Win";
  return credit === 0.5 ? "Tie" : credit < 0.5 ? "More losses" : "More wins";
}

function votesOf({ isSame, margin, judgments }: Transcript): string {
  if (isSame) return "counts as a tie";
  if (margin !== null) return `score ${margin > 0 ? "+" : "−"}${Math.abs(margin).toFixed(2)}`;
  return judgments
    .map(
      ({ judge, isHeldOut, verdict }) =>
        `${judge}${isHeldOut ? " (held out)" : ""}: ${verdictNames[verdict]}`,
    )
    .join(", ");
}

function TranscriptContent({
  transcript: { promptId, messages, earlierTurns, candidate, opponent },
  canPin,
}: TranscriptProps) {
  return (
    <div className="space-y-4 py-3">
      {earlierTurns > 0 && (
        <p className="text-small text-muted">
          Asked after {plural(earlierTurns, "earlier question", "earlier questions")}, which were not judged
          and are not shown.
        </p>
      )}
      <ScrolledPrompt messages={messages} className="max-h-80" />
      <div className="grid gap-4 md:grid-cols-2">
        <AnswerPane label="Candidate" meaning="candidate" text={candidate} />
        <AnswerPane label="Opponent" meaning="live" text={opponent} />
      </div>
      {canPin && <PinButton origin={{ from: "prompt", promptId }} reference={opponent} />}
    </div>
  );
}

type AnswerPaneProps = { label: string; meaning: "candidate" | "live"; text: string };

function AnswerPane({ label, meaning, text }: AnswerPaneProps) {
  return (
    <div className="min-w-0 space-y-1">
      <MeaningBadge meaning={meaning}>{label}</MeaningBadge>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1) */}
      <section aria-label={`${label}’s answer`} tabIndex={0} className="max-h-96 overflow-y-auto">
        {text.trim() === "" ? <p className="text-muted">An empty answer.</p> : <Markdown text={text} />}
      </section>
    </div>
  );
}
