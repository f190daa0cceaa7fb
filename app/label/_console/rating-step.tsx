/** @file Step one: each response alone, rated by one row of number keys, flagged by letters, with an optional note. */
"use client";

import type { RefObject } from "react";
import { Button } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { TextArea } from "@/app/_components/field";
import type { responseFlags } from "@/server/domain/labeling/flags";
import { KeyHint } from "./key-hint";
import { ReadingPane } from "./reading-pane";
import { letter, type StepProps, textOf } from "./step-props";
import { ratingOf, type Scale, scales, unratedOf } from "./task-state";

export type Flags = typeof responseFlags;

const scaleNames: Record<Scale, string> = {
  overall: "Overall",
  helpful: "Helpful",
  honest: "Honest",
  harmless: "Harmless",
};
export const values = [1, 2, 3, 4, 5, 6, 7] as const;

type RatingStepProps = StepProps & {
  flags: Flags;
  noteRef: RefObject<HTMLTextAreaElement | null>;
  paneRef: RefObject<HTMLDivElement | null>;
};

export function RatingStep({ task, state, dispatch, flags, noteRef, paneRef }: RatingStepProps) {
  const rating = ratingOf(state, state.focusId);
  return (
    <div className="flex min-h-0 grow flex-col">
      <LetterRow state={state} dispatch={dispatch} />
      <div className="grid min-h-0 grow grid-cols-1 grid-rows-2 sm:grid-cols-[minmax(0,1fr)_21rem] sm:grid-rows-1 lg:grid-cols-[minmax(0,1fr)_25rem]">
        <ReadingPane
          ref={paneRef}
          letter={letter(state, state.focusId)}
          text={textOf(task, state.focusId)}
          note={rating.overall === null ? "not rated yet" : `overall ${rating.overall} of 7`}
          isFocused
        />
        <section
          aria-label={`Rating of ${letter(state, state.focusId)}`}
          className="overflow-y-auto border-line px-4 pt-2 pb-4 max-sm:border-t sm:border-l"
        >
          {scales.map((scale) => (
            <ScaleRow key={scale} scale={scale} state={state} dispatch={dispatch} />
          ))}
          <p className="mt-1 text-small text-muted">1 worst, 7 best. All but the first row may stay empty.</p>
          <fieldset className="mt-2">
            <legend className="sr-only">Flags</legend>
            {flags.map(({ key, label, letter: flagKey }) => (
              <button
                key={key}
                type="button"
                aria-pressed={rating.flags.includes(key)}
                aria-keyshortcuts={flagKey}
                onClick={() => dispatch({ type: "toggleFlag", flag: key })}
                className="group flex min-h-8 w-full items-center gap-2.5 rounded-md px-2 text-left text-small hover:bg-hover aria-pressed:bg-selected aria-pressed:font-medium"
              >
                <KeyHint>{flagKey}</KeyHint>
                <span className="grow">{label}</span>
                <span aria-hidden="true" className="invisible group-aria-pressed:visible">
                  ✓
                </span>
              </button>
            ))}
          </fieldset>
          <div className="mt-2">
            <TextArea
              ref={noteRef}
              label="Note (optional)"
              rows={2}
              maxLength={5_000}
              aria-keyshortcuts="n"
              value={rating.note}
              onChange={(event) => dispatch({ type: "note", note: event.target.value })}
              onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
            />
          </div>
        </section>
      </div>
    </div>
  );
}

function LetterRow({ state, dispatch }: Omit<StepProps, "task">) {
  const left = unratedOf(state).length;
  return (
    <nav
      aria-label="Responses"
      className="flex flex-wrap items-center gap-1 border-b border-line px-4 py-1.5"
    >
      {state.order.map((id) => {
        const { overall, flags } = ratingOf(state, id);
        return (
          <button
            key={id}
            type="button"
            aria-current={id === state.focusId || undefined}
            onClick={() => dispatch({ type: "focus", id })}
            className="min-h-8 min-w-14 rounded-md px-2 hover:bg-hover aria-[current]:bg-selected aria-[current]:font-semibold"
          >
            {letter(state, id)}{" "}
            <span className="ml-1 text-small text-muted">
              {overall === null ? "–" : `${overall}/7`}
              {flags.length > 0 && ` · ${flags.length}`}
            </span>
          </button>
        );
      })}
      <p className="ml-auto text-small text-muted">
        {left === 0 ? "All are rated." : `${left} of ${state.order.length} to rate`}
      </p>
      <Button small look={left === 0 ? "primary" : "plain"} onClick={() => dispatch({ type: "advance" })}>
        {left === 0 ? "Go on" : "Next"} <KeyHint>Enter</KeyHint>
      </Button>
    </nav>
  );
}

type ScaleRowProps = Omit<StepProps, "task"> & { scale: Scale };

function ScaleRow({ scale, state, dispatch }: ScaleRowProps) {
  const chosen = ratingOf(state, state.focusId)[scale];
  const isActive = state.scale === scale;
  return (
    <fieldset
      className={classNames(
        "flex items-center gap-1 rounded-md border-l-2 py-0.5 pl-2",
        isActive ? "border-accent" : "border-transparent",
      )}
    >
      <legend className="float-left w-20 leading-8">
        <span className={isActive ? "font-medium" : "text-muted"}>{scaleNames[scale]}</span>
      </legend>
      {values.map((value) => (
        <button
          key={value}
          type="button"
          aria-label={`${scaleNames[scale]} ${value} of 7`}
          aria-pressed={chosen === value}
          onClick={() => dispatch({ type: "rate", scale, value })}
          className="tabular min-h-8 min-w-0 grow rounded-md border border-control bg-raised text-center hover:bg-hover aria-pressed:border-accent aria-pressed:bg-accent aria-pressed:text-on-accent"
        >
          {value}
        </button>
      ))}
    </fieldset>
  );
}
