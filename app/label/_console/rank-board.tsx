/** @file The board: what has no place on the left, each letter in a spot of its own, and the ranks beside it. */
"use client";

import {
  DndContext,
  type DragEndEvent,
  DragOverlay,
  MouseSensor,
  pointerWithin,
  TouchSensor,
  useDroppable,
  useSensor,
  useSensors,
} from "@dnd-kit/core";
import { useState } from "react";
import { classNames } from "@/app/_components/class-names";
import { rankOf } from "./board";
import { CardFace, ResponseCard } from "./response-card";
import type { StepProps } from "./step-props";

// Moves are announced by the page itself, in the same words whether by key, button or pointer.
const silence = {
  announcements: {
    onDragStart: () => undefined,
    onDragOver: () => undefined,
    onDragEnd: () => undefined,
    onDragCancel: () => undefined,
  },
  screenReaderInstructions: { draggable: "" },
};

export function RankBoard({ task, state, dispatch }: StepProps) {
  const [draggedId, setDraggedId] = useState<string | null>(null);
  const sensors = useSensors(
    useSensor(MouseSensor, { activationConstraint: { distance: 6 } }),
    useSensor(TouchSensor, { activationConstraint: { delay: 180, tolerance: 8 } }),
  );
  const onDragEnd = ({ active, over }: DragEndEvent) => {
    setDraggedId(null);
    const id = String(active.id);
    const [kind, rank] = String(over?.id ?? "").split(":");
    if (kind === "unplaced") dispatch({ type: "unplace", id });
    if (kind === "before") dispatch({ type: "place", id, rank: rankAfterLeaving(Number(rank), id) });
    if (kind === "rank") {
      const otherId = state.tiers[Number(rank) - 1]?.find((other) => other !== id);
      if (otherId) dispatch({ type: "join", id, otherId });
      else dispatch({ type: "place", id, rank: Number(rank) });
    }
  };
  /** Alone in its rank, it leaves a hole: those below move up before it is put in. */
  const rankAfterLeaving = (rank: number, id: string) => {
    const from = rankOf(state.tiers, id);
    const leavesHole = from !== null && state.tiers[from - 1]?.length === 1;
    return leavesHole && from < rank ? rank - 1 : rank;
  };
  const card = (id: string) => (
    <ResponseCard key={id} id={id} task={task} state={state} dispatch={dispatch} />
  );

  return (
    <DndContext
      id="board"
      sensors={sensors}
      collisionDetection={pointerWithin}
      accessibility={silence}
      onDragStart={({ active }) => setDraggedId(String(active.id))}
      onDragCancel={() => setDraggedId(null)}
      onDragEnd={onDragEnd}
    >
      <section aria-label="Board" className="flex shrink-0 flex-col gap-x-4 gap-y-1 px-4 py-2 lg:flex-row">
        <Unplaced isDragging={draggedId !== null}>
          {state.order.map((id) =>
            rankOf(state.tiers, id) === null ? (
              card(id)
            ) : (
              <div key={id} aria-hidden="true" className="rounded-md border border-dashed border-line" />
            ),
          )}
        </Unplaced>
        <ol className="grid min-w-0 grow auto-cols-fr grid-flow-col gap-1.5">
          {state.order.map((spot, index) => (
            <Rank
              key={spot}
              rank={index + 1}
              isNext={index === state.tiers.length}
              isDragging={draggedId !== null}
            >
              {(state.tiers[index] ?? []).map(card)}
            </Rank>
          ))}
        </ol>
      </section>
      <DragOverlay dropAnimation={null}>
        {draggedId && (
          <div className="rounded-md bg-raised shadow-float">
            <CardFace id={draggedId} task={task} state={state} />
          </div>
        )}
      </DragOverlay>
    </DndContext>
  );
}

type UnplacedProps = { isDragging: boolean; children: React.ReactNode };

function Unplaced({ isDragging, children }: UnplacedProps) {
  const { setNodeRef, isOver } = useDroppable({ id: "unplaced" });
  return (
    <section
      ref={setNodeRef}
      aria-label="Not placed"
      className={classNames("shrink-0 rounded-md lg:w-80", isDragging && isOver && "bg-selected")}
    >
      <p className="text-small text-muted">Not placed</p>
      <div className="mt-0.5 grid auto-cols-fr grid-flow-col gap-1.5 lg:h-[8.75rem] lg:grid-flow-row lg:auto-rows-fr lg:grid-cols-3 [&>*]:min-h-10">
        {children}
      </div>
    </section>
  );
}

type RankProps = { rank: number; isNext: boolean; isDragging: boolean; children: React.ReactNode };

/** A card dropped on the rank is tied there; dropped at its left edge it goes before it. */
function Rank({ rank, isNext, isDragging, children }: RankProps) {
  const whole = useDroppable({ id: `rank:${rank}` });
  const edge = useDroppable({ id: `before:${rank}`, disabled: isNext });
  const isBefore = isDragging && edge.isOver;
  return (
    <li ref={whole.setNodeRef} className="relative min-w-0">
      <p className="text-small text-muted">
        {rank}
        {rank === 1 && <span className="max-md:sr-only"> best</span>}
      </p>
      <div
        className={classNames(
          "mt-0.5 h-[5.75rem] space-y-1 overflow-y-auto rounded-md p-0.5 lg:h-[8.75rem]",
          isDragging && whole.isOver && !isBefore ? "bg-selected" : "bg-sunken",
        )}
      >
        {children}
      </div>
      <div
        ref={edge.setNodeRef}
        className={classNames(
          "pointer-events-none absolute inset-y-0 -left-2.5 w-6",
          isBefore && "border-l-4 border-accent",
        )}
      />
    </li>
  );
}
