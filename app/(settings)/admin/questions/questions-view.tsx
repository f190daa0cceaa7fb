/** @file The questions of labelers: those that wait, and those that were answered, each with its task. */
"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import type { AskedQuestion } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";
import { AnswerForm } from "./answer-form";
import { QuestionTask } from "./question-task";

type State = "open" | "answered";

export function QuestionsView({ initialOpen }: { initialOpen: AskedQuestion[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [state, setState] = useState<State>("open");
  const [chosenId, setChosenId] = useState<string | null>(null);
  const list = useQuery(
    trpc.questions.list.queryOptions(
      { state },
      { ...(state === "open" && { initialData: initialOpen }), refetchInterval: 60_000 },
    ),
  );
  const questions = list.data ?? [];
  const at = Math.max(
    0,
    questions.findIndex(({ id }) => id === chosenId),
  );
  const chosen = questions[at];
  const move = (by: number) => setChosenId(questions[at + by]?.id ?? chosenId);
  const onAnswered = async () => {
    // The next one takes the place of the one that is answered.
    if (state === "open") setChosenId(questions[at + 1]?.id ?? null);
    await queries.invalidateQueries({ queryKey: trpc.questions.pathKey() });
  };
  return (
    <>
      <PageTitle
        aside={
          <fieldset className="flex gap-1">
            <legend className="sr-only">Which questions</legend>
            {(["open", "answered"] as const).map((one) => (
              <Button
                key={one}
                small
                look="quiet"
                aria-pressed={state === one}
                className="aria-pressed:bg-selected"
                onClick={() => setState(one)}
              >
                {one === "open" ? "Open" : "Answered"}
              </Button>
            ))}
          </fieldset>
        }
      >
        Questions
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        What labelers ask about tasks. They see your answer at the task and among their own work; as an
        example in the guidelines it answers everybody.
      </p>
      {list.error && (
        <Notice tone="error" className="mt-4">
          {errorText(list.error)}
        </Notice>
      )}
      {list.isSuccess && !chosen && (
        <p className="mt-6 max-w-[38rem] text-muted">
          {state === "open"
            ? "No question is open. A labeler asks by pressing q at a task; it is listed here then."
            : "None is answered yet. Answered questions are kept here, to be corrected or made an example."}
        </p>
      )}
      {chosen && (
        <div className="mt-5 grid gap-8 lg:grid-cols-[16rem_minmax(0,1fr)]">
          <QuestionList questions={questions} chosenId={chosen.id} onChoose={setChosenId} />
          <div className="min-w-0">
            <h2 className="whitespace-pre-wrap break-words font-semibold">{chosen.question}</h2>
            <p className="text-small text-muted">
              {chosen.askedBy?.name ?? "Somebody"}, <Moment at={chosen.createdAt} />
            </p>
            <AnswerForm key={chosen.id} question={chosen} onAnswered={onAnswered} />
            <QuestionTask key={`task ${chosen.id}`} questionId={chosen.id} />
          </div>
        </div>
      )}
      <PageKeys
        keys={[
          { key: "j", does: "Next question", act: () => move(1) },
          { key: "k", does: "Previous question", act: () => move(-1) },
          {
            key: "a",
            does: "Write the answer; Ctrl+Enter sends it",
            act: () => document.querySelector<HTMLElement>("#answer-form textarea")?.focus(),
          },
        ]}
      />
    </>
  );
}

type QuestionListProps = {
  questions: readonly AskedQuestion[];
  chosenId: string;
  onChoose: (id: string) => void;
};

function QuestionList({ questions, chosenId, onChoose }: QuestionListProps) {
  return (
    <nav aria-label="Questions" className="max-h-[40dvh] overflow-y-auto lg:max-h-none">
      <ol className="space-y-1">
        {questions.map(({ id, question, createdAt }) => (
          <li key={id}>
            <button
              type="button"
              aria-current={id === chosenId || undefined}
              onClick={() => onChoose(id)}
              className="w-full rounded-md px-2.5 py-1.5 text-left hover:bg-hover aria-[current]:bg-selected"
            >
              <span className="line-clamp-2 break-words">{question}</span>
              <span className="block text-small text-muted">
                <Moment at={createdAt} />
              </span>
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}
