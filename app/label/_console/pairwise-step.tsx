/** @file A task of two responses: left, right, a tie, or both bad. */
"use client";

import { placingChoices, SideBySide, type SideChoice } from "./side-by-side";
import { letter, type StepProps, textOf } from "./step-props";
import { ratingOf, type TaskState } from "./task-state";

const bothBad: SideChoice = { choice: "bothBad", label: "Both bad", key: "b", shown: "b" };
type PairChoice = "better" | "tie" | "worse" | "bothBad";

export function PairwiseStep({ task, state, dispatch }: StepProps) {
  const [left, right] = state.order.map((id) => {
    const { overall } = ratingOf(state, id);
    const note = overall === null ? undefined : `overall ${overall}`;
    return { id, letter: letter(state, id), text: textOf(task, id), ...(note && { note }) };
  });
  if (!left || !right) return null;
  return (
    <SideBySide
      left={left}
      right={right}
      choices={[...placingChoices(left.letter, right.letter), bothBad]}
      chosen={chosenOf(state)}
      onChoose={(choice) => dispatch({ type: "judgePair", choice: choice as PairChoice })}
    />
  );
}

function chosenOf({ tiers, order, noneAcceptable }: TaskState): PairChoice | null {
  if (tiers.length === 0) return null;
  if (tiers.length === 1) return noneAcceptable ? "bothBad" : "tie";
  return tiers[0]?.[0] === order[0] ? "better" : "worse";
}
