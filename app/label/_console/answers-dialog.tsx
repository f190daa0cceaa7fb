/** @file New answers to one's questions, over the task; closing it counts them as seen. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Dialog } from "@/app/_components/dialog";
import { useTRPC } from "@/app/_lib/trpc";
import { QuestionAnswer } from "./question-answer";
import { useNewAnswers } from "./use-new-answers";

export function AnswersDialog({ taskId, onClose }: { taskId: string; onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const found = useNewAnswers();
  // What is being read stays, whatever comes meanwhile.
  const [answers] = useState(found);
  const reading = useMutation(
    trpc.labeling.readAnswers.mutationOptions({
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.labeling.questions.queryKey() }),
    }),
  );
  const close = () => {
    reading.mutate({ questionIds: answers.map(({ id }) => id) });
    onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && close()}
      title={answers.length === 1 ? "An answer to your question" : "Answers to your questions"}
      description="Your draft stays. They are kept under “Your work”."
    >
      <ol className="divide-y divide-line">
        {answers.map((question) => (
          <li key={question.id} className="py-2">
            <QuestionAnswer
              question={question}
              note={question.taskId === taskId ? "about this task" : "about another task"}
            />
          </li>
        ))}
      </ol>
    </Dialog>
  );
}
