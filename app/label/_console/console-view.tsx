/** @file The console: asks for the next task and shows it, or says why there is none and what to do. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { LabelingStatus, NextTask } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import type { Purpose } from "@/server/domain/labeling/claims";
import type { NoTask } from "@/server/domain/labeling/task-schema";
import { NoTaskPage } from "./no-task-page";
import type { Flags } from "./rating-step";
import { TaskConsole } from "./task-console";
import { useLookingAgain } from "./use-looking-again";

/** Whether a task may come without this labeler doing anything; each reason has its answer. */
const comesByItself: Record<NoTask["reason"], boolean> = {
  empty: true,
  testPaused: true,
  notQualified: false,
  mustAgree: false,
  dailyCap: false,
  setAside: false,
  notSitting: false,
  testDone: false,
};

type ConsoleViewProps = {
  status: LabelingStatus;
  flags: Flags;
  agreement: { text: readonly string[] };
  purpose: Purpose;
};

export function ConsoleView({ status, flags, agreement, purpose }: ConsoleViewProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  // Each load is shown afresh, also where it brings the same task as another page left it. What was shown before stays
  // until then: nothing flickers in between.
  const [shown, setShown] = useState<{ load: number; result: NextTask } | null>(null);
  const show = useCallback(
    (result: NextTask) => setShown((before) => ({ load: (before?.load ?? 0) + 1, result })),
    [],
  );
  const next = useMutation(trpc.labeling.next.mutationOptions({ onSuccess: show }));
  const [mode, setMode] = useState(status.mode);
  const { mutate } = next;
  // What ended a task brings the next one along, unless that failed.
  const goOn = useCallback(
    (given: NextTask | null) => {
      if (given) show(given);
      else mutate({ purpose });
      void queries.invalidateQueries({ queryKey: trpc.labeling.recent.queryKey() });
      void queries.invalidateQueries({ queryKey: trpc.qualification.own.queryKey() });
    },
    [show, mutate, purpose, queries, trpc],
  );
  const load = () => goOn(null);
  useEffect(() => mutate({ purpose }), [mutate, purpose]);
  const noTask = shown && "noTask" in shown.result ? shown.result.noTask.reason : null;
  useLookingAgain(purpose !== "practice" && noTask !== null && comesByItself[noTask], () =>
    mutate({ purpose }),
  );

  if (next.error) {
    return (
      <main className="mx-auto flex min-h-dvh max-w-sm flex-col justify-center gap-4 px-5">
        <h1 className="text-title font-semibold">No task could be loaded</h1>
        <Notice tone="error">{errorText(next.error)}</Notice>
        <Button look="primary" onClick={load}>
          Try again
        </Button>
      </main>
    );
  }
  if (!shown) {
    const known: NoTask | null = purpose === "work" ? status.noTask : null;
    if (known) return <NoTaskPage noTask={known} purpose={purpose} agreement={agreement} onRetry={load} />;
    return (
      <main className="flex min-h-dvh flex-col items-center justify-center gap-2">
        <h1 className="sr-only">Label</h1>
        <Pulse>Your next task is on its way</Pulse>
      </main>
    );
  }
  const { result } = shown;
  if ("noTask" in result) {
    return <NoTaskPage noTask={result.noTask} purpose={purpose} agreement={agreement} onRetry={load} />;
  }
  return (
    <TaskConsole
      key={shown.load}
      task={result.task}
      purpose={purpose}
      flags={flags}
      preferredMode={mode}
      onPreferMode={setMode}
      onNext={goOn}
    />
  );
}
