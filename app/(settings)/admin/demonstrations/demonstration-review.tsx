/** @file One demonstration with its prompt, what was edited in it, and its rating. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Button } from "@/app/_components/button";
import { EditedText } from "@/app/_components/edited-text";
import { TextArea } from "@/app/_components/field";
import { Markdown } from "@/app/_components/markdown";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import { PromptTurns } from "@/app/_components/prompt-turns";
import { SensitiveText } from "@/app/_components/sensitive-text";
import type { ReviewedDemonstration } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatDuration } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { KeyHint } from "@/app/label/_console/key-hint";

const ratings = [1, 2, 3, 4, 5, 6, 7] as const;

type DemonstrationReviewProps = {
  demonstration: ReviewedDemonstration;
  onReviewed: () => Promise<void>;
  onLater: () => void;
  /** Back to the one rated last; null where there is none. */
  onLast: (() => void) | null;
};

export function DemonstrationReview({
  demonstration,
  onReviewed,
  onLater,
  onLast,
}: DemonstrationReviewProps) {
  const [rating, setRating] = useState(demonstration.rating);
  const [note, setNote] = useState(demonstration.note);
  const [isDiff, setIsDiff] = useState(demonstration.editedFrom !== null);
  const form = useRef<HTMLFormElement>(null);
  const trpc = useTRPC();
  const reviewing = useMutation(trpc.demonstrations.review.mutationOptions({ onSuccess: onReviewed }));
  const returning = useMutation(trpc.demonstrations.giveBack.mutationOptions({ onSuccess: onReviewed }));
  const isBusy = reviewing.isPending || returning.isPending;
  const error = reviewing.error ?? returning.error;
  const giveBack = () => {
    if (note.trim() === "" || isBusy) return;
    returning.mutate({ demonstrationId: demonstration.id, note, basedOn: demonstration.rating });
  };
  const send = () => {
    if (rating === null || isBusy) return;
    reviewing.mutate({ demonstrationId: demonstration.id, rating, note, basedOn: demonstration.rating });
  };
  const { editedFrom } = demonstration;
  return (
    <>
      <div className="mt-5 grid gap-8 lg:grid-cols-[minmax(0,1fr)_18rem]">
        <SensitiveText isSensitive={demonstration.isSensitive}>
          <div className="min-w-0">
            <section aria-label="Prompt">
              <PromptTurns messages={demonstration.prompt} />
            </section>
            <section aria-label="Demonstration" className="mt-5 border-t border-line pt-4">
              <div className="flex flex-wrap items-center gap-3">
                <h2 className="font-semibold">Demonstration</h2>
                {editedFrom !== null && (
                  <Button
                    small
                    look="quiet"
                    aria-pressed={isDiff}
                    aria-keyshortcuts="d"
                    className="aria-pressed:bg-selected"
                    onClick={() => setIsDiff(!isDiff)}
                  >
                    What was changed <KeyHint>d</KeyHint>
                  </Button>
                )}
              </div>
              <p className="mb-3 text-small text-muted tabular">{describe(demonstration)}</p>
              {isDiff && editedFrom !== null ? (
                <EditedText from={editedFrom} to={demonstration.text} />
              ) : (
                <div className="max-w-[46rem] break-words">
                  <Markdown text={demonstration.text} />
                </div>
              )}
            </section>
          </div>
        </SensitiveText>
        <form
          ref={form}
          aria-label="Review"
          className="space-y-4 self-start lg:sticky lg:top-8"
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
            if (event.key === "Escape" && event.target instanceof HTMLElement) event.target.blur();
          }}
        >
          <fieldset>
            <legend className="font-medium">Rating</legend>
            <div className="mt-1 flex gap-1">
              {ratings.map((value) => (
                <Button
                  key={value}
                  small
                  aria-pressed={rating === value}
                  aria-keyshortcuts={String(value)}
                  className="grow px-0! aria-pressed:border-accent aria-pressed:bg-selected aria-pressed:font-semibold"
                  onClick={() => setRating(value)}
                >
                  {value}
                </Button>
              ))}
            </div>
            <p className="mt-1 flex justify-between text-small text-muted">
              <span>1 terrible</span>
              <span>7 excellent</span>
            </p>
          </fieldset>
          <TextArea
            label="Note for its labeler"
            hint="May be empty. They see it beside the rating, without your name."
            rows={4}
            maxLength={5_000}
            value={note}
            onChange={({ target }) => setNote(target.value)}
          />
          {error && (
            <Notice tone="error">
              {errorText(error)}{" "}
              <Button small className="mt-1" onClick={() => void onReviewed()}>
                Go on
              </Button>
            </Notice>
          )}
          <div className="flex flex-wrap gap-2">
            <Button
              type="submit"
              look="primary"
              aria-keyshortcuts="Enter"
              busy={reviewing.isPending}
              disabled={rating === null}
            >
              {demonstration.rating === null ? "Rate it" : "Change the rating"} <KeyHint>Enter</KeyHint>
            </Button>
            <Button aria-keyshortcuts="s" onClick={onLater}>
              {demonstration.rating === null ? "Later" : "Leave it"} <KeyHint>s</KeyHint>
            </Button>
          </div>
          {demonstration.purpose === "work" && !demonstration.isReturned && (
            <div>
              <Button busy={returning.isPending} disabled={note.trim() === ""} onClick={giveBack}>
                Give it back
              </Button>
              <p className="mt-1 text-small text-muted">
                Instead of a rating: its labeler writes it again, with your note beside their text.
                {note.trim() === "" && " The note says what to write otherwise."}
              </p>
            </div>
          )}
        </form>
      </div>
      <PageKeys
        keys={[
          ...ratings.map((value) => ({
            key: String(value),
            does: `Rate it ${value}`,
            act: () => setRating(value),
          })),
          { key: "enter", label: "Enter", does: "Store the rating and go on", act: send },
          {
            key: "n",
            does: "Write a note; Ctrl+Enter stores, Esc leaves the field",
            act: () => form.current?.querySelector("textarea")?.focus(),
          },
          ...(editedFrom === null
            ? []
            : [{ key: "d", does: "What was changed, or the text as it is", act: () => setIsDiff(!isDiff) }]),
          { key: "s", does: "Leave it for later", act: onLater },
          ...(onLast ? [{ key: "b", does: "Back to the one rated last", act: onLast }] : []),
        ]}
      />
    </>
  );
}

const purposes: Partial<Record<NonNullable<ReviewedDemonstration["purpose"]>, string>> = {
  practice: "Practice",
  qualification: "Qualification test",
};

/** "Qualification test · edited from a response · 1,204 characters, 80 pasted · 6 min active · version 2". */
function describe({
  purpose,
  editedFrom,
  text,
  pastedCharacters,
  activeMs,
  version,
  guidelinesVersion,
}: ReviewedDemonstration): string {
  const pasted = pastedCharacters > 0 ? `, ${pastedCharacters.toLocaleString("en")} pasted` : "";
  return [
    purpose && purposes[purpose],
    editedFrom === null ? "from scratch" : "edited from a response",
    `${text.length.toLocaleString("en")} characters${pasted}`,
    `${formatDuration(activeMs / 1000)} active`,
    version > 1 && `version ${version}`,
    `guidelines ${guidelinesVersion}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
