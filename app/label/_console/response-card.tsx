/** @file A response on the board: its letter and first words. Chosen by a press, moved by dragging. */
"use client";

import { useDraggable } from "@dnd-kit/core";
import { classNames } from "@/app/_components/class-names";
import { letter, type StepProps, textOf } from "./step-props";
import { describePlace, ratingOf } from "./task-state";

type CardProps = StepProps & { id: string };

export function ResponseCard({ id, task, state, dispatch }: CardProps) {
  const { setNodeRef, listeners, isDragging } = useDraggable({ id });
  const isFocused = id === state.focusId;
  return (
    <button
      ref={setNodeRef}
      {...listeners}
      type="button"
      aria-current={isFocused || undefined}
      onClick={() => dispatch({ type: "focus", id })}
      className={classNames(
        "block w-full touch-manipulation relative overflow-hidden rounded-md border text-left hover:bg-hover",
        isFocused ? "border-accent bg-selected outline-1 outline-accent" : "border-control bg-raised",
        isDragging && "opacity-40",
      )}
    >
      <CardFace id={id} task={task} state={state} />
    </button>
  );
}

export function CardFace({ id, task, state }: Omit<CardProps, "dispatch">) {
  const { overall } = ratingOf(state, id);
  return (
    <span className="flex gap-1.5 px-1.5 py-0.5 leading-[1.125rem]">
      <span className="shrink-0">
        <span className="block font-semibold">
          {letter(state, id)}
          <span className="sr-only">{` ${describePlace(state, id).slice(3)}.`}</span>
        </span>
        {overall !== null && (
          <span className="tabular block text-small text-muted">
            <span className="sr-only">overall </span>
            {overall}
          </span>
        )}
      </span>
      <span className="line-clamp-2 min-w-0 grow text-small leading-[1.125rem] text-muted max-lg:hidden">
        {firstWords(textOf(task, id), 80)}
      </span>
    </span>
  );
}

/** Without the marks of markdown, which say nothing in so little room. */
function firstWords(text: string, limit: number): string {
  return text
    .slice(0, 4 * limit)
    .replace(/[#*_`>|~]+/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, limit);
}
