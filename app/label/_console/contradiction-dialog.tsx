/** @file Before a submit: where the ranking contradicts its own ratings. It may be meant. */
"use client";

import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import type { Contradiction } from "./find-contradictions";
import { letterOf, type TaskState } from "./task-state";

const mostShown = 6;

type ContradictionDialogProps = {
  contradictions: Contradiction[];
  state: TaskState;
  onSubmit: () => void;
  onClose: () => void;
};

export function ContradictionDialog({ contradictions, state, onSubmit, onClose }: ContradictionDialogProps) {
  const more = contradictions.length - mostShown;
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="The ranking contradicts your ratings"
      description="Change either, or submit if it is meant so."
    >
      <ul className="list-disc space-y-1 pl-5">
        {contradictions.slice(0, mostShown).map(({ aboveId, belowId, aboveOverall, belowOverall }) => (
          <li key={`${aboveId} ${belowId}`}>
            {letterOf(state.order, aboveId)} (rated {aboveOverall}) stands above{" "}
            {letterOf(state.order, belowId)} (rated {belowOverall})
          </li>
        ))}
        {more > 0 && <li>and {more} more</li>}
      </ul>
      <div className="mt-4 flex gap-2">
        <Button look="primary" onClick={onClose}>
          Go back
        </Button>
        <Button onClick={onSubmit}>Submit all the same</Button>
      </div>
    </Dialog>
  );
}
