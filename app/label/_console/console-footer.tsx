/** @file The line below a task: how far one is, for how long, whether it is kept, and the way on. */
"use client";

import { useEffect, useState } from "react";
import { Button } from "@/app/_components/button";
import { formatClock } from "./active-time";
import { unplacedOf } from "./board";
import { KeyHint } from "./key-hint";
import type { StepProps } from "./step-props";
import { unratedOf } from "./task-state";
import type { SavingState } from "./use-draft-saving";

const savingTexts: Record<SavingState["status"], string> = {
  saved: "draft saved",
  unsaved: "saving…",
  failed: "not saved: the server cannot be reached, trying again",
  lost: "not saved",
};

type ConsoleFooterProps = StepProps & {
  readActiveMs: () => number;
  saving: SavingState;
  /** What the submit waits for. */
  missing: string | null;
  isSubmitting: boolean;
  onSubmit: () => void;
  onMode: (mode: "board" | "guided") => void;
};

export function ConsoleFooter(props: ConsoleFooterProps) {
  const { task, state, dispatch, readActiveMs, saving, missing, isSubmitting, onSubmit, onMode } = props;
  const isRanking = state.step === "rank";
  return (
    <footer className="flex min-h-12 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-t border-line px-4">
      <p className="text-small text-muted">
        {progressOf(props)} · <Clock readActiveMs={readActiveMs} /> active ·{" "}
        <span className={saving.status === "failed" ? "text-danger" : ""}>{savingTexts[saving.status]}</span>
        {missing && <span className="ml-3 font-medium text-danger">{missing}</span>}
      </p>
      <div className="ml-auto flex flex-wrap items-center gap-1.5">
        {isRanking && task.batch.hasRatings && (
          <Button
            small
            look="quiet"
            aria-keyshortcuts="e"
            onClick={() => dispatch({ type: "setStep", step: "rate" })}
          >
            Ratings <KeyHint>e</KeyHint>
          </Button>
        )}
        {isRanking && task.batch.task === "ranking" && (
          <>
            <Button
              small
              look="quiet"
              aria-keyshortcuts="m"
              onClick={() => onMode(state.mode === "guided" ? "board" : "guided")}
            >
              {state.mode === "guided" ? "Board" : "Guided"} <KeyHint>m</KeyHint>
            </Button>
            <Button
              small
              look="quiet"
              aria-pressed={state.noneAcceptable}
              aria-keyshortcuts="x"
              title="The order counts all the same; afterwards you write a better answer."
              onClick={() => dispatch({ type: "toggleNoneAcceptable" })}
              className="aria-pressed:bg-selected"
            >
              None acceptable <KeyHint>x</KeyHint>
            </Button>
          </>
        )}
        {isRanking && (
          <Button
            small
            look="quiet"
            aria-keyshortcuts="u"
            disabled={state.past.length === 0}
            onClick={() => dispatch({ type: "undo" })}
          >
            Undo <KeyHint>u</KeyHint>
          </Button>
        )}
        {state.step !== "rate" && (
          <Button
            look="primary"
            busy={isSubmitting}
            onClick={onSubmit}
            aria-keyshortcuts={isRanking ? "Enter" : "Control+Enter"}
          >
            Submit <KeyHint>{isRanking ? "Enter" : "Ctrl Enter"}</KeyHint>
          </Button>
        )}
      </div>
    </footer>
  );
}

function progressOf({ task, state }: StepProps): string {
  const all = state.order.length;
  if (state.step === "demonstrate") return "Demonstration";
  if (state.step === "rate") return `${all - unratedOf(state).length} of ${all} rated`;
  if (task.batch.task === "pairwise") return state.tiers.length > 0 ? "Chosen" : "Not chosen yet";
  return `${all - unplacedOf(state.order, state.tiers).length} of ${all} placed`;
}

function Clock({ readActiveMs }: { readActiveMs: () => number }) {
  const [text, setText] = useState("0:00");
  useEffect(() => {
    const tick = () => setText(formatClock(readActiveMs()));
    tick();
    const timer = setInterval(tick, 1_000);
    return () => clearInterval(timer);
  }, [readActiveMs]);
  return <span className="tabular">{text}</span>;
}
