/** @file What a person says about an answer: thumb, reasons, words, and what it should have said. */
"use client";

import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button, IconButton } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { TextArea } from "@/app/_components/field";
import { useToast } from "@/app/_components/toast";
import type { Feedback, Inputs, Message } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

type Change = Omit<Inputs["feedback"]["give"], "messageId">;

/** Stores each change at once and puts it into the tree. A thumb shows while it is on its way. */
export function useFeedback(answer: Message, putFeedback: (messageId: string, feedback: Feedback) => void) {
  const trpc = useTRPC();
  const toast = useToast();
  const onError = (error: unknown) => toast({ text: errorText(error), isError: true });
  const giving = useMutation(
    trpc.feedback.give.mutationOptions({
      onSuccess: (feedback, { messageId }) => putFeedback(messageId, feedback),
      onError,
    }),
  );
  const thumbOnItsWay = giving.isPending ? giving.variables.thumb : undefined;
  return {
    feedback: answer.feedback,
    thumb: thumbOnItsWay === undefined ? (answer.feedback?.thumb ?? null) : thumbOnItsWay,
    isSaving: giving.isPending,
    give: (change: Change) => giving.mutateAsync({ messageId: answer.id, ...change }).catch(() => null),
  };
}

export type Thumb = 1 | -1;
type ThumbsProps = { thumb: Thumb | null; onThumb: (thumb: Thumb | null) => void };

export function Thumbs({ thumb, onThumb }: ThumbsProps) {
  return (
    <>
      <IconButton
        icon="thumbUp"
        label="Good answer"
        size={16}
        aria-pressed={thumb === 1}
        onClick={() => onThumb(thumb === 1 ? null : 1)}
      />
      <IconButton
        icon="thumbDown"
        label="Bad answer"
        size={16}
        aria-pressed={thumb === -1}
        onClick={() => onThumb(thumb === -1 ? null : -1)}
      />
    </>
  );
}

type FeedbackPanelProps = {
  feedback: Feedback | null;
  thumb: Thumb;
  isSaving: boolean;
  onSave: (change: Change) => Promise<unknown>;
  onClose: () => void;
};

/** Opens under the answer after a thumb; all of it is optional. */
export function FeedbackPanel({ feedback, thumb, isSaving, onSave, onClose }: FeedbackPanelProps) {
  const trpc = useTRPC();
  const reasons = useQuery(trpc.feedback.reasons.queryOptions(undefined, { staleTime: Infinity }));
  const [tags, setTags] = useState<Feedback["tags"]>(feedback?.tags ?? []);
  const [comment, setComment] = useState(feedback?.comment ?? "");
  const [correction, setCorrection] = useState(feedback?.correction ?? "");

  return (
    <form
      aria-label="Feedback on this answer"
      // It opens under the answer, which may be at the end of the page.
      ref={scrollIntoView}
      className="mt-2 space-y-3 rounded-lg bg-sunken p-3"
      onSubmit={async (event) => {
        event.preventDefault();
        // With the thumb it belongs to, which may have failed to arrive.
        if (await onSave({ thumb, tags, comment, correction })) onClose();
      }}
    >
      <fieldset>
        <legend className="font-medium">
          {thumb === 1 ? "What was good about it?" : "What was wrong with it?"}
        </legend>
        <div className="mt-2 flex flex-wrap gap-2">
          {reasons.data
            ?.filter((reason) => reason.thumb === thumb)
            .map(({ tag, label }) => {
              const isOn = tags.includes(tag);
              return (
                <label
                  key={tag}
                  className={classNames(
                    "rounded-full border px-3 py-1 text-small has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-focus",
                    isOn ? "border-accent bg-raised font-medium text-accent" : "border-control bg-raised",
                  )}
                >
                  <input
                    type="checkbox"
                    className="sr-only"
                    checked={isOn}
                    onChange={() => setTags(isOn ? tags.filter((other) => other !== tag) : [...tags, tag])}
                  />
                  {isOn && <span aria-hidden="true">✓ </span>}
                  {label}
                </label>
              );
            })}
        </div>
      </fieldset>
      <TextArea
        label="Anything else"
        rows={2}
        maxLength={10_000}
        value={comment}
        onChange={(event) => setComment(event.target.value)}
      />
      <TextArea
        label="What it should have said"
        hint="In your own words. The best help there is for a better answer next time."
        rows={3}
        maxLength={100_000}
        value={correction}
        onChange={(event) => setCorrection(event.target.value)}
      />
      <div className="flex gap-2">
        <Button type="submit" look="primary" small busy={isSaving}>
          Save feedback
        </Button>
        <Button look="quiet" small onClick={onClose}>
          Close
        </Button>
      </div>
    </form>
  );
}

function scrollIntoView(panel: HTMLElement | null): void {
  panel?.scrollIntoView({ block: "nearest" });
}

const verdicts = [
  { verdict: "better", label: "Better" },
  { verdict: "same", label: "About the same" },
  { verdict: "worse", label: "Worse" },
] as const;

type ComparisonProps = {
  feedback: Feedback | null;
  comparedToId: string;
  onCompare: (comparison: NonNullable<Change["comparison"]>) => void;
};

/** After a regenerate: this answer against the one before it. */
export function Comparison({ feedback, comparedToId, onCompare }: ComparisonProps) {
  const given = feedback?.comparison?.comparedToId === comparedToId ? feedback.comparison.verdict : null;
  return (
    <fieldset className="mt-2 flex flex-wrap items-center gap-2 text-small">
      <legend className="sr-only">Compared with the answer before</legend>
      <span aria-hidden="true" className="text-muted">
        Compared with the answer before:
      </span>
      {verdicts.map(({ verdict, label }) => (
        <Button
          key={verdict}
          small
          look="plain"
          aria-pressed={given === verdict}
          className="aria-pressed:border-accent aria-pressed:text-accent"
          onClick={() => onCompare({ comparedToId, verdict })}
        >
          {given === verdict && <span aria-hidden="true">✓</span>}
          {label}
        </Button>
      ))}
    </fieldset>
  );
}
