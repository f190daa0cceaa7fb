/** @file A labeler's questions about tasks, with their answers; those that are shown count as seen. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { OwnQuestion } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "@/app/(settings)/_frame/section";
import { QuestionAnswer } from "@/app/label/_console/question-answer";

export function QuestionsSection({ questions }: { questions: OwnQuestion[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const { mutate } = useMutation(
    trpc.labeling.readAnswers.mutationOptions({
      onSuccess: () => queries.invalidateQueries({ queryKey: trpc.labeling.questions.queryKey() }),
    }),
  );
  useEffect(() => {
    const questionIds = questions.filter(({ isNew }) => isNew).map(({ id }) => id);
    if (questionIds.length > 0) mutate({ questionIds });
  }, [questions, mutate]);
  return (
    <Section title="Questions">
      {questions.length === 0 ? (
        <p className="text-muted">None asked. While you rank, q asks your labeling lead about the task.</p>
      ) : (
        <ol className="max-w-[46rem] divide-y divide-line border-y border-line">
          {questions.map((question) => (
            <li key={question.id} className="py-2">
              <QuestionAnswer question={question} {...(question.isNew && { note: "new" })} />
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}
