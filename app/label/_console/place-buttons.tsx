/** @file All that keys do to the focused response, as buttons. They stand still: what does not apply is disabled. */
"use client";

import { Button, IconButton } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { rankOf } from "./board";
import { letter, type StepProps } from "./step-props";

export function PlaceButtons({ state, dispatch }: Omit<StepProps, "task">) {
  const { focusId: id, tiers, order, isTying } = state;
  const rank = rankOf(tiers, id);
  const lastRank = Math.min(order.length, tiers.length + 1);
  const name = letter(state, id);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a toolbar's group, not a form's
    <div role="group" aria-label={`Place ${name}`} className="ml-auto flex flex-wrap items-center gap-0.5">
      {order.map((spot, index) => (
        <button
          key={spot}
          type="button"
          disabled={index + 1 > (isTying ? tiers.length : lastRank)}
          aria-label={isTying ? `Tie ${name} with rank ${index + 1}` : `Place ${name} at rank ${index + 1}`}
          aria-pressed={rank === index + 1}
          onClick={() => dispatch({ type: "place", rank: index + 1 })}
          className={classNames(
            "tabular size-7 rounded-md border text-small hover:bg-hover disabled:opacity-40 aria-pressed:border-accent aria-pressed:bg-accent aria-pressed:text-on-accent",
            isTying ? "border-accent border-dashed" : "border-control",
          )}
        >
          {index + 1}
        </button>
      ))}
      <Button
        small
        look="quiet"
        aria-keyshortcuts="="
        aria-pressed={isTying}
        className="aria-pressed:bg-selected"
        disabled={tiers.length === 0 || rank === 1}
        onClick={() => dispatch({ type: isTying ? "cancelTie" : "tie" })}
      >
        = Tie{rank === null ? " with…" : " above"}
      </Button>
      <IconButton
        icon="arrowUp"
        label="Better by one"
        shortcut="↑"
        disabled={rank === null}
        onClick={() => dispatch({ type: "nudge", by: -1 })}
      />
      <IconButton
        icon="arrowDown"
        label="Worse by one"
        shortcut="↓"
        disabled={rank === null}
        onClick={() => dispatch({ type: "nudge", by: 1 })}
      />
      <IconButton
        icon="close"
        label="Take from the board"
        shortcut="0"
        disabled={rank === null}
        onClick={() => dispatch({ type: "unplace" })}
      />
    </div>
  );
}
