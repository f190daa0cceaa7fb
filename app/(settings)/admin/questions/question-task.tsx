/** @file The task a question is about, under the letters of whoever asks. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { Markdown } from "@/app/_components/markdown";
import { Notice } from "@/app/_components/notice";
import { PromptTurns } from "@/app/_components/prompt-turns";
import { Pulse } from "@/app/_components/pulse";
import { SensitiveText } from "@/app/_components/sensitive-text";
import { errorText } from "@/app/_lib/error-text";
import { letterOf } from "@/app/_lib/letter-of";
import { useTRPC } from "@/app/_lib/trpc";

export function QuestionTask({ questionId }: { questionId: string }) {
  const { data, error } = useQuery(useTRPC().questions.task.queryOptions({ questionId }));
  return (
    <section aria-label="The task" className="mt-8 border-t border-line pt-5">
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>Loading the task</Pulse>}
      {data && (
        <>
          <p className="mb-3 text-small text-muted">
            {data.task.batch.name}, guidelines version {data.task.guidelinesVersion}.{" "}
            {data.isAskersOrder
              ? "The letters are those that the labeler sees."
              : "The labeler has put the task away: their letters may have been others."}
          </p>
          <SensitiveText isSensitive={data.task.prompt.isSensitive}>
            <PromptTurns messages={data.task.prompt.messages} />
            {data.task.responses.map(({ id, text }, index) => (
              <section
                key={id}
                aria-label={`Response ${letterOf(index)}`}
                className="mt-5 max-w-[46rem] border-t border-line pt-3"
              >
                <h3 className="font-semibold">{letterOf(index)}</h3>
                <div className="break-words">
                  <Markdown text={text} />
                </div>
              </section>
            ))}
          </SensitiveText>
        </>
      )}
    </section>
  );
}
