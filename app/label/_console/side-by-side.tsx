/** @file Two responses at full width with their differences marked, and the choice between them. */
"use client";

import { useRef, useState } from "react";
import { Button } from "@/app/_components/button";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import { KeyHint } from "./key-hint";
import { ReadingPane } from "./reading-pane";
import { type MarkingState, useMarkedDifferences } from "./use-marked-differences";

export type Side = { id: string; letter: string; text: string; note?: string };
export type SideChoice = { choice: string; label: string; key: string; shown: string };

type SideBySideProps = {
  left: Side;
  right: Side;
  choices: readonly SideChoice[];
  /** The one made already, where it can still be changed. */
  chosen?: string | null;
  onChoose: (choice: string) => void;
  /** Over the panes. */
  children?: React.ReactNode;
};

const markingTexts: Record<MarkingState, string> = {
  marked: "Marked words stand in only one of the two.",
  tooDifferent: "The two have too little in common to mark differences.",
  unsupported: "This browser cannot mark differences.",
  off: "Differences are not marked.",
};

export function SideBySide({ left, right, choices, chosen, onChoose, children }: SideBySideProps) {
  const [isMarking, setIsMarking] = useState(true);
  const panes = { left: useRef<HTMLDivElement>(null), right: useRef<HTMLDivElement>(null) };
  const marking = useMarkedDifferences(panes.left, panes.right, {
    isOn: isMarking,
    pair: `${left.id} ${right.id}`,
  });
  useShortcuts({
    ...Object.fromEntries(choices.map(({ choice, key }) => [key, () => onChoose(choice)])),
    d: () => setIsMarking((is) => !is),
    pagedown: () => scrollBoth(panes, 1),
    pageup: () => scrollBoth(panes, -1),
  });
  return (
    <div className="flex min-h-0 grow flex-col">
      {children}
      <div className="grid min-h-0 grow grid-cols-2 divide-x divide-line">
        <ReadingPane ref={panes.left} letter={left.letter} text={left.text} note={left.note} isFocused />
        <ReadingPane ref={panes.right} letter={right.letter} text={right.text} note={right.note} />
      </div>
      {/* The choices stay in the middle, whatever stands beside them. */}
      <div className="grid items-center gap-2 border-t border-line px-4 py-2 max-lg:justify-items-center lg:grid-cols-[1fr_auto_1fr]">
        <Button
          small
          look="quiet"
          aria-pressed={isMarking}
          aria-keyshortcuts="d"
          title={markingTexts[marking]}
          onClick={() => setIsMarking(!isMarking)}
          className="lg:justify-self-start aria-pressed:bg-selected"
        >
          Differences <KeyHint>d</KeyHint>
        </Button>
        <div className="flex flex-wrap justify-center gap-2">
          {choices.map(({ choice, label, key, shown }) => (
            <Button
              key={choice}
              aria-pressed={chosen === undefined ? undefined : chosen === choice}
              aria-keyshortcuts={key}
              onClick={() => onChoose(choice)}
              className="aria-pressed:border-accent aria-pressed:bg-selected"
            >
              {label} <KeyHint>{shown}</KeyHint>
            </Button>
          ))}
        </div>
        <p className="justify-self-end text-small text-muted max-lg:hidden" aria-hidden="true">
          {marking === "marked" || marking === "off" ? "" : markingTexts[marking]}
        </p>
        <p className="sr-only">{markingTexts[marking]}</p>
      </div>
    </div>
  );
}

type Panes = Record<"left" | "right", React.RefObject<HTMLDivElement | null>>;

function scrollBoth(panes: Panes, direction: 1 | -1): void {
  for (const { current } of [panes.left, panes.right]) scrollPane(current, direction);
}

/** Most of what is seen, so that the last lines stay in sight. */
export function scrollPane(pane: HTMLElement | null, direction: 1 | -1): void {
  pane?.scrollBy({ top: direction * pane.clientHeight * 0.85 });
}

export function placingChoices(leftLetter: string, rightLetter: string): SideChoice[] {
  return [
    { choice: "better", label: `${leftLetter} is better`, key: "arrowleft", shown: "←" },
    { choice: "tie", label: "Tie", key: "=", shown: "=" },
    { choice: "worse", label: `${rightLetter} is better`, key: "arrowright", shown: "→" },
  ];
}
