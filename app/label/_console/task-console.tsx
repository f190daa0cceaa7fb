/** @file One task from the first rating to the submit. Everything typed is kept as one goes; nothing is sent twice. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useMemo, useReducer, useRef, useState } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { ShortcutSheet } from "@/app/_components/shortcut-sheet";
import type { NextTask } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import type { Purpose } from "@/server/domain/labeling/claims";
import type { Explanation, TaskView } from "@/server/domain/labeling/task-schema";
import { AnswersDialog } from "./answers-dialog";
import { AskDialog } from "./ask-dialog";
import { ConsoleFooter } from "./console-footer";
import { type ConsoleDialog, ConsoleHeader } from "./console-header";
import { keysOf, keysTold } from "./console-keys";
import { ContradictionDialog } from "./contradiction-dialog";
import { DemonstrationStep } from "./demonstration-step";
import { ExplanationDialog } from "./explanation-dialog";
import { findContradictions } from "./find-contradictions";
import { GuidelinesDialog } from "./guidelines-dialog";
import { PairwiseStep } from "./pairwise-step";
import { isShort, PromptPanel } from "./prompt-panel";
import { PutAwayDialog, type PutAwayKind } from "./put-away-dialog";
import { RankingStep } from "./ranking-step";
import { type Flags, RatingStep } from "./rating-step";
import { SensitiveCover } from "./sensitive-cover";
import type { StepProps } from "./step-props";
import { draftOf, reduceTask, startTask } from "./task-state";
import { useActiveTime } from "./use-active-time";
import { useDraftSaving } from "./use-draft-saving";
import { useSubmit } from "./use-submit";

type TaskConsoleProps = {
  task: TaskView;
  purpose: Purpose;
  flags: Flags;
  preferredMode: "board" | "guided";
  onPreferMode: (mode: "board" | "guided") => void;
  /** Shows the next task; null loads it, or this one as another page left it. */
  onNext: (given: NextTask | null) => void;
};

export function TaskConsole({ task, purpose, flags, preferredMode, onPreferMode, onNext }: TaskConsoleProps) {
  const trpc = useTRPC();
  const [state, dispatch] = useReducer(reduceTask, task, (given) => startTask(given, preferredMode));
  const [dialog, setDialog] = useState<ConsoleDialog | null>(null);
  const [isPromptOpen, setIsPromptOpen] = useState(isShort(task.prompt));
  const [isCovered, setIsCovered] = useState(task.prompt.isSensitive);
  const [explanation, setExplanation] = useState<Explanation | null>(null);
  const pane = useRef<HTMLDivElement>(null);
  const note = useRef<HTMLTextAreaElement>(null);
  const readActiveMs = useActiveTime(task.activeMs);
  const draft = useMemo(() => draftOf(state), [state]);
  const saving = useDraftSaving({ ...task, draft, readActiveMs });
  const preferring = useMutation(trpc.labeling.setPreferences.mutationOptions());
  const putting = useMutation(
    trpc.labeling.skip.mutationOptions({ onSuccess: ({ next }) => onNext(next), onError: saving.resume }),
  );
  const putAway = (kind: PutAwayKind, reason: string) => {
    saving.stop();
    putting.mutate({
      claimId: task.claimId,
      kind,
      reason,
      activeMs: readActiveMs(),
      nextPurpose: purpose,
    });
  };
  const load = () => onNext(null);
  const submitting = useSubmit({
    task,
    purpose,
    state,
    dispatch,
    saving,
    readActiveMs,
    onNext,
    onExplain: setExplanation,
  });
  const submit = () => {
    const isAgainstRatings = findContradictions(state.tiers, state.ratings).length > 0;
    submitting.submit({ isMeant: !isAgainstRatings });
  };

  const setMode = (mode: "board" | "guided") => {
    preferring.mutate({ mode });
    onPreferMode(mode);
    dispatch({ type: "setMode", mode });
  };
  const actions = keysOf(state, flags, {
    dispatch,
    setMode,
    // Every task of a test is answered.
    open: (next) => (next === "skip" && task.batch.purpose === "qualification" ? undefined : setDialog(next)),
    togglePrompt: () => setIsPromptOpen((is) => !is),
    writeNote: () => note.current?.focus(),
    submit,
    pane: () => pane.current,
  });
  useShortcuts(isCovered ? { "?": () => setDialog("keys"), enter: () => setIsCovered(false) } : actions);

  const props: StepProps = { task, state, dispatch };
  const close = () => setDialog(null);
  return (
    <div className="flex h-dvh flex-col overflow-hidden">
      <ConsoleHeader
        batch={task.batch}
        sitting={task.sitting}
        isSkipByKey={state.step !== "rate"}
        onOpen={setDialog}
      />
      <main
        className="flex min-h-0 grow flex-col"
        onKeyDown={(event) => {
          const isSending = event.key === "Enter" && (event.ctrlKey || event.metaKey);
          if (isSending && state.step === "demonstrate") submit();
        }}
      >
        <p role="status" aria-live="polite" className="sr-only">
          {state.said}
        </p>
        {task.returnedComment && (
          <Notice tone="warning" className="mx-4 my-2">
            <span className="font-medium">Given back by your lead: </span>
            {task.returnedComment}
          </Notice>
        )}
        {task.answers.map(({ id, question, answer }) => (
          <Notice key={id} className="mx-4 my-2 max-h-[20dvh] shrink-0 overflow-y-auto">
            <span className="font-medium">You asked: </span>
            {question} <span className="font-medium">Your lead answers: </span>
            <span className="whitespace-pre-wrap">{answer}</span>
          </Notice>
        ))}
        {saving.state.status === "lost" && (
          <Notice tone="error" className="mx-4 my-2">
            {saving.state.text}{" "}
            <Button small className="ml-2" onClick={load}>
              Load it again
            </Button>
          </Notice>
        )}
        {submitting.error && (
          <Notice tone="error" className="mx-4 my-2">
            {submitting.error}{" "}
            {submitting.isGone && (
              <Button small className="ml-2" onClick={load}>
                Next task
              </Button>
            )}
          </Notice>
        )}
        <SensitiveCover
          isCovered={isCovered}
          onOpen={() => setIsCovered(false)}
          onOptOut={() => {
            preferring.mutate({ seesSensitive: false });
            putAway("skip", "Does not take sensitive text");
          }}
        >
          <PromptPanel
            messages={task.prompt.messages}
            isOpen={isPromptOpen}
            onToggle={() => setIsPromptOpen(!isPromptOpen)}
          />
          {state.step === "rate" && <RatingStep {...props} flags={flags} noteRef={note} paneRef={pane} />}
          {state.step === "rank" &&
            (state.mode === "pairwise" ? (
              <PairwiseStep {...props} />
            ) : (
              <RankingStep {...props} paneRef={pane} />
            ))}
          {state.step === "demonstrate" && <DemonstrationStep {...props} />}
        </SensitiveCover>
      </main>
      <ConsoleFooter
        {...props}
        readActiveMs={readActiveMs}
        saving={saving.state}
        missing={submitting.missing}
        isSubmitting={submitting.isBusy}
        onSubmit={submit}
        onMode={setMode}
      />
      {dialog === "guidelines" && <GuidelinesDialog version={task.guidelinesVersion} onClose={close} />}
      {dialog === "ask" && <AskDialog taskId={task.taskId} onClose={close} />}
      {dialog === "answers" && <AnswersDialog taskId={task.taskId} onClose={close} />}
      {(dialog === "skip" || dialog === "report") && (
        <PutAwayDialog
          dialog={dialog}
          error={putting.error ? errorText(putting.error) : null}
          isBusy={putting.isPending}
          onPutAway={putAway}
          onClose={close}
        />
      )}
      {submitting.isAsking && (
        <ContradictionDialog
          contradictions={findContradictions(state.tiers, state.ratings)}
          state={state}
          onSubmit={() => submitting.submit({ isMeant: true })}
          onClose={submitting.cancel}
        />
      )}
      {explanation && (
        <ExplanationDialog
          explanation={explanation}
          own={state.tiers}
          order={state.order}
          flags={flags}
          onNext={() => {
            setExplanation(null);
            load();
          }}
        />
      )}
      <ShortcutSheet
        open={dialog === "keys"}
        onOpenChange={(open) => !open && close()}
        shortcuts={keysTold(state)}
      />
    </div>
  );
}
