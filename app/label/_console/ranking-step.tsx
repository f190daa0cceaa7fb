/** @file Step two: all responses into one order, on the board or guided by side-by-side choices. */
"use client";

import type { RefObject } from "react";
import { Button } from "@/app/_components/button";
import { inputClass } from "@/app/_components/field";
import type { Choice } from "./board";
import { mostChoices, opponentOf } from "./guided-insertion";
import { KeyHint } from "./key-hint";
import { PlaceButtons } from "./place-buttons";
import { RankBoard } from "./rank-board";
import { ReadingPane } from "./reading-pane";
import { placingChoices, type Side, SideBySide } from "./side-by-side";
import { letter, type StepProps, textOf } from "./step-props";
import { describePlace, neighbourOf, ratingOf } from "./task-state";

type RankingStepProps = StepProps & { paneRef: RefObject<HTMLDivElement | null> };

export function RankingStep(props: RankingStepProps) {
  const { state } = props;
  if (state.isComparing) return <Comparison {...props} />;
  if (state.mode === "guided" && state.insertion) return <Guided {...props} />;
  return <Board {...props} />;
}

function Board({ paneRef, ...props }: RankingStepProps) {
  const { task, state, dispatch } = props;
  const otherId = neighbourOf(state);
  return (
    <div className="flex min-h-0 grow flex-col">
      <RankBoard {...props} />
      <div className="grid min-h-0 grow grid-cols-1 divide-line border-t border-line md:grid-cols-2 md:divide-x">
        <ReadingPane
          ref={paneRef}
          letter={letter(state, state.focusId)}
          text={textOf(task, state.focusId)}
          note={noteOn(props, state.focusId)}
          isFocused
        >
          <PlaceButtons state={state} dispatch={dispatch} />
        </ReadingPane>
        {otherId && (
          <div className="hidden min-h-0 md:grid">
            <ReadingPane
              letter={letter(state, otherId)}
              text={textOf(task, otherId)}
              note={noteOn(props, otherId)}
            >
              <OtherChoice {...props} otherId={otherId} />
            </ReadingPane>
          </div>
        )}
      </div>
    </div>
  );
}

/** "rank 2 of 4 · overall 6" */
function noteOn({ state }: StepProps, id: string): string {
  const { overall } = ratingOf(state, id);
  const place = describePlace(state, id).slice(3);
  return overall === null ? place : `${place} · overall ${overall}`;
}

function OtherChoice({ state, dispatch, otherId }: StepProps & { otherId: string }) {
  return (
    <div className="ml-auto flex items-center gap-2">
      <label className="flex items-center gap-2 text-small text-muted">
        Beside it
        <select
          value={otherId}
          onChange={(event) => {
            dispatch({ type: "compareWith", id: event.target.value });
            // The keys of the page are silent while a field has the focus.
            event.target.blur();
          }}
          className={`${inputClass} w-auto! min-h-7! px-1.5! py-0!`}
        >
          {state.order
            .filter((id) => id !== state.focusId)
            .map((id) => (
              <option key={id} value={id}>
                {letter(state, id)}
              </option>
            ))}
        </select>
      </label>
      <Button
        small
        look="quiet"
        aria-keyshortcuts="c"
        onClick={() => dispatch({ type: "compare", isOpen: true })}
      >
        Side by side <KeyHint>c</KeyHint>
      </Button>
    </div>
  );
}

function sideOf({ task, state }: StepProps, id: string): Side {
  return { id, letter: letter(state, id), text: textOf(task, id) };
}

function Comparison(props: RankingStepProps) {
  const { state, dispatch } = props;
  const otherId = neighbourOf(state);
  if (!otherId) return null;
  const [left, right] = [sideOf(props, state.focusId), sideOf(props, otherId)];
  return (
    <SideBySide
      left={{ ...left, note: noteOn(props, left.id) }}
      right={{ ...right, note: noteOn(props, right.id) }}
      choices={placingChoices(left.letter, right.letter)}
      onChoose={(choice) => dispatch({ type: "judge", choice: choice as Choice })}
    >
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-1.5">
        <p className="text-small text-muted">
          Your choice puts {left.letter} right above, beside or right below {right.letter}.
        </p>
        <div className="ml-auto flex items-center gap-2">
          <OtherChoiceOnly {...props} otherId={otherId} />
          <Button small look="quiet" onClick={() => dispatch({ type: "compare", isOpen: false })}>
            Back to the board <KeyHint>Esc</KeyHint>
          </Button>
        </div>
      </div>
    </SideBySide>
  );
}

/** Any other response on the right, also by j and k. */
function OtherChoiceOnly({ state, dispatch, otherId }: StepProps & { otherId: string }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a toolbar's group, not a form's
    <div role="group" aria-label="Beside it" className="flex gap-0.5">
      {state.order
        .filter((id) => id !== state.focusId)
        .map((id) => (
          <button
            key={id}
            type="button"
            aria-label={`Beside it: ${letter(state, id)}`}
            aria-pressed={id === otherId}
            onClick={() => dispatch({ type: "compareWith", id })}
            className="size-7 rounded-md hover:bg-hover aria-pressed:bg-selected aria-pressed:font-semibold"
          >
            {letter(state, id)}
          </button>
        ))}
    </div>
  );
}

function Guided(props: RankingStepProps) {
  const { state, dispatch } = props;
  const { insertion, tiers, order } = state;
  if (!insertion) return null;
  const [left, right] = [sideOf(props, insertion.id), sideOf(props, opponentOf(tiers, insertion))];
  return (
    <SideBySide
      left={{ ...left, note: "to be placed" }}
      right={{ ...right, note: describePlace(state, right.id).slice(3) }}
      choices={placingChoices(left.letter, right.letter)}
      onChoose={(choice) => dispatch({ type: "judge", choice: choice as Choice })}
    >
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-4 py-1.5">
        <p className="text-small text-muted">The order so far</p>
        <ol aria-label="The order so far" className="flex flex-wrap items-center gap-1">
          {tiers.map((tier, index) => (
            <li
              key={tier.join()}
              className="flex min-h-7 items-center rounded-md bg-sunken px-2 font-medium"
              aria-label={`Rank ${index + 1}: ${tier.map((id) => letter(state, id)).join(", ")}`}
            >
              <span aria-hidden="true" className="tabular mr-1.5 text-small font-normal text-muted">
                {index + 1}
              </span>
              {tier.map((id) => letter(state, id)).join(" = ")}
            </li>
          ))}
        </ol>
        <p className="ml-auto text-small text-muted">
          At most {mostChoices(order.length)} choices for {order.length}; change anything on the board.
        </p>
      </div>
    </SideBySide>
  );
}
