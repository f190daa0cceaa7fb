/** @file Sends one task's result once: says what is missing first, asks where it contradicts itself, then goes on. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { NextTask } from "@/app/_lib/api-types";
import { errorCode, errorText } from "@/app/_lib/error-text";
import { useTRPCClient } from "@/app/_lib/trpc";
import type { Purpose } from "@/server/domain/labeling/claims";
import type { Explanation } from "@/server/domain/labeling/task-schema";
import { unplacedOf } from "./board";
import type { StepProps } from "./step-props";
import { letterOf, type TaskAction, type TaskState, unratedOf } from "./task-state";
import type { useDraftSaving } from "./use-draft-saving";

type SubmitOptions = StepProps & {
  purpose: Purpose;
  saving: ReturnType<typeof useDraftSaving>;
  readActiveMs: () => number;
  onNext: (given: NextTask | null) => void;
  /** Of practice tasks. */
  onExplain: (explanation: Explanation) => void;
};

export function useSubmit({
  task,
  purpose,
  state,
  dispatch,
  saving,
  readActiveMs,
  onNext,
  onExplain,
}: SubmitOptions) {
  const client = useTRPCClient();
  const [isAsking, setIsAsking] = useState(false);
  const [hasTried, setHasTried] = useState(false);
  // A second press may come before the first has been drawn.
  const isUnderWay = useRef(false);
  const sending = useMutation({
    mutationFn: async () => {
      const { claimId } = task;
      const activeMs = readActiveMs();
      // Practice explains itself first: its next task is asked for when that was read.
      const nextPurpose = purpose === "practice" ? undefined : purpose;
      if (state.step === "demonstrate") {
        const written = { claimId, ...state.demonstration, activeMs, nextPurpose };
        return { explanation: null, ...(await client.labeling.submitDemonstration.mutate(written)) };
      }
      const { mode, tiers, ratings, noneAcceptable } = state;
      const ranking = {
        mode,
        tiers: tiers.map((tier) => [...tier]),
        ratings: { ...ratings },
        noneAcceptable,
      };
      return client.labeling.submit.mutate({ claimId, ...ranking, activeMs, nextPurpose });
    },
    onSuccess: ({ explanation, next }) => (explanation ? onExplain(explanation) : onNext(next)),
    onError: () => {
      isUnderWay.current = false;
      saving.resume();
    },
  });

  const submit = ({ isMeant }: { isMeant: boolean }) => {
    if (isUnderWay.current) return;
    const missing = missingIn(state);
    setHasTried(true);
    if (missing.length > 0) return missing.forEach(dispatch);
    if (!isMeant) return setIsAsking(true);
    setIsAsking(false);
    isUnderWay.current = true;
    saving.stop();
    sending.mutate();
  };

  return {
    submit,
    cancel: () => setIsAsking(false),
    isAsking,
    /** What a submit still waits for, once one was tried; it shrinks as the work goes on. */
    missing: hasTried ? sayingOf(missingIn(state)) : null,
    isBusy: sending.isPending || sending.isSuccess,
    error: sending.error ? errorText(sending.error) : null,
    /** There is nothing left to submit to. */
    isGone: ["NOT_FOUND", "CONFLICT"].includes(errorCode(sending.error) ?? ""),
  };
}

/** What leads to, and says, the first thing that is still to do; empty when nothing is. */
export function missingIn(state: TaskState): TaskAction[] {
  if (state.step === "demonstrate") {
    return state.demonstration.text.trim() === "" ? [{ type: "say", text: "The answer is empty." }] : [];
  }
  const name = (ids: string[]) => ids.map((id) => letterOf(state.order, id)).join(", ");
  const unrated = state.hasRatings ? unratedOf(state) : [];
  if (unrated.length > 0) {
    return [
      { type: "setStep", step: "rate" },
      { type: "say", text: `Not rated yet: ${name(unrated)}.` },
    ];
  }
  const unplaced = unplacedOf(state.order, state.tiers);
  const [first] = unplaced;
  if (first === undefined) return [];
  if (state.mode === "pairwise") return [{ type: "say", text: "Choose one first, or a tie." }];
  return [
    { type: "focus", id: first },
    { type: "say", text: `Not placed yet: ${name(unplaced)}.` },
  ];
}

const sayingOf = (actions: TaskAction[]): string | null =>
  actions.flatMap((action) => (action.type === "say" ? [action.text] : [])).at(0) ?? null;
