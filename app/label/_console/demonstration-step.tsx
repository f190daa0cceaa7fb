/** @file Writing the ideal answer, from nothing or by editing a response. Pasted characters are counted, and it says so. */
"use client";

import { type ClipboardEvent, useId, useState } from "react";
import { Button } from "@/app/_components/button";
import { inputClass } from "@/app/_components/field";
import { ReadingPane } from "./reading-pane";
import { letter, type StepProps, textOf } from "./step-props";

/** The bound of the draft's schema; the server checks it again. */
const maxCharacters = 50_000;

export function DemonstrationStep({ task, state, dispatch }: StepProps) {
  const id = useId();
  const { demonstration, order } = state;
  const [shownId, setShownId] = useState(demonstration.editedFromId ?? order[0] ?? null);
  const change = (part: Partial<typeof demonstration>) =>
    dispatch({ type: "demonstrate", demonstration: { ...demonstration, ...part } });
  const onPaste = (event: ClipboardEvent) =>
    change({
      pastedCharacters: demonstration.pastedCharacters + event.clipboardData.getData("text/plain").length,
    });
  const canEdit = demonstration.text.trim() === "" || demonstration.editedFromId !== null;
  return (
    <div
      className={
        order.length > 0
          ? "grid min-h-0 grow grid-rows-2 divide-line max-sm:divide-y sm:grid-cols-2 sm:grid-rows-1 sm:divide-x"
          : "flex min-h-0 grow"
      }
    >
      {shownId && (
        <div className="grid min-h-0 grid-rows-[auto_minmax(0,1fr)]">
          <nav aria-label="Responses" className="flex flex-wrap items-center gap-1 px-4 pt-2">
            {order.map((one) => (
              <button
                key={one}
                type="button"
                aria-current={one === shownId || undefined}
                onClick={() => setShownId(one)}
                className="size-8 rounded-md hover:bg-hover aria-[current]:bg-selected aria-[current]:font-semibold"
              >
                {letter(state, one)}
              </button>
            ))}
          </nav>
          <ReadingPane letter={letter(state, shownId)} text={textOf(task, shownId)}>
            <Button
              small
              className="ml-auto"
              disabled={!canEdit || demonstration.editedFromId === shownId}
              title={canEdit ? undefined : "Your own text would be lost: empty it first."}
              onClick={() => change({ text: textOf(task, shownId), editedFromId: shownId })}
            >
              Begin from this one
            </Button>
          </ReadingPane>
        </div>
      )}
      <div className="flex min-h-0 grow flex-col px-4 py-2">
        <div className="flex flex-wrap items-center gap-3">
          <label htmlFor={id} className="font-semibold">
            Your answer
          </label>
          <p className="text-small text-muted">
            {demonstration.editedFromId === null
              ? "Write the answer you would have wanted."
              : `Edited from ${letter(state, demonstration.editedFromId)}.`}
          </p>
          {demonstration.text !== "" && (
            <Button
              small
              look="quiet"
              className="ml-auto"
              onClick={() => change({ text: "", editedFromId: null })}
            >
              Empty it
            </Button>
          )}
        </div>
        <textarea
          id={id}
          value={demonstration.text}
          maxLength={maxCharacters}
          aria-describedby={`${id}-note`}
          onChange={(event) => change({ text: event.target.value })}
          onPaste={onPaste}
          onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
          className={`${inputClass} mt-2 min-h-40 max-w-[46rem] grow resize-none leading-relaxed`}
        />
        <p id={`${id}-note`} className="mt-1 text-small text-muted">
          Markdown works. {demonstration.text.length.toLocaleString("en")} characters
          {demonstration.pastedCharacters > 0 &&
            `, ${demonstration.pastedCharacters.toLocaleString("en")} pasted (your lead sees this)`}
          . Ctrl+Enter submits.
        </p>
      </div>
    </div>
  );
}
