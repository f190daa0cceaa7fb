/** @file What one policy answered to a case, whether that holds, and, where people decide, what they said and say. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { TextField } from "@/app/_components/field";
import { Markdown } from "@/app/_components/markdown";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { CaseResult } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useMay, useViewer } from "@/app/_lib/viewer-context";
import { CaseOutcome } from "../case-outcome";

type CaseAnswerProps = { answer: CaseResult; isForEyes: boolean };

export function CaseAnswer({ answer, isForEyes }: CaseAnswerProps) {
  const { checkpoint, run, at, precision, response, isFinished, outcome, verdicts } = answer;
  const mayReadRuns = useMay("runs.read");
  const mayJudge = useMay("models.manage");
  return (
    <li className="py-4">
      <p className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
        <span className="font-medium">{checkpoint.name}</span>
        <CaseOutcome outcome={outcome} />
        <span className="text-small text-muted">
          {mayReadRuns ? (
            <Link href={`/admin/runs/${run.id}`} className="underline-offset-2 hover:underline">
              run {run.number}
            </Link>
          ) : (
            `run ${run.number}`
          )}
          , {precision}, <Moment at={at} />
        </span>
      </p>
      <div className="mt-2 max-w-[46rem] break-words">
        {response.trim() === "" ? (
          <p className="text-muted">An empty answer.</p>
        ) : (
          <Markdown text={response} />
        )}
        {isFinished === false && <p className="text-small text-muted">Cut at the limit.</p>}
      </div>
      {verdicts.map(({ judgedBy, by, isGood, note, at: judgedAt }) => (
        <p key={judgedBy ?? String(judgedAt)} className="mt-1 text-small text-muted">
          {by ?? "somebody who left"}: {isGood ? "good" : "bad"}
          {note && `, “${note}”`} (<Moment at={judgedAt} />)
        </p>
      ))}
      {isForEyes && mayJudge && <JudgeForm answer={answer} />}
    </li>
  );
}

function JudgeForm({ answer: { caseId, run, verdicts } }: { answer: CaseResult }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const viewer = useViewer();
  const [note, setNote] = useState("");
  const judging = useMutation(
    trpc.cases.judge.mutationOptions({
      onSuccess: () => setNote(""),
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.cases.pathKey() }),
    }),
  );
  const own = verdicts.find(({ judgedBy }) => judgedBy === viewer.id);
  const say = (isGood: boolean) => judging.mutate({ caseId, runId: run.id, isGood, note });
  return (
    <div className="mt-3 max-w-[38rem] space-y-2">
      <TextField
        label="Note (may be empty)"
        maxLength={2_000}
        value={note}
        onChange={({ target }) => setNote(target.value)}
      />
      <div className="flex flex-wrap gap-2">
        <Button small busy={judging.isPending} onClick={() => say(true)}>
          {own ? "Change to good" : "Good"}
        </Button>
        <Button small busy={judging.isPending} onClick={() => say(false)}>
          {own ? "Change to bad" : "Bad"}
        </Button>
      </div>
      {judging.error && <Notice tone="error">{errorText(judging.error)}</Notice>}
    </div>
  );
}
