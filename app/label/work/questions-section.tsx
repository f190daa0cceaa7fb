/** @file A labeler's questions about tasks, with their answers. */

import { Moment } from "@/app/_components/moment";
import type { OwnQuestion } from "@/app/_lib/api-types";
import { Section } from "@/app/(settings)/_frame/section";

export function QuestionsSection({ questions }: { questions: OwnQuestion[] }) {
  return (
    <Section title="Questions">
      {questions.length === 0 ? (
        <p className="text-muted">None asked. While you rank, q asks your labeling lead about the task.</p>
      ) : (
        <ol className="max-w-[46rem] divide-y divide-line border-y border-line">
          {questions.map(({ id, question, answer, createdAt }) => (
            <li key={id} className="py-2">
              <p className="whitespace-pre-wrap">{question}</p>
              <p className="text-small text-muted">
                <Moment at={createdAt} />
                {answer === null && " · no answer yet"}
              </p>
              {answer !== null && <p className="mt-1 whitespace-pre-wrap">↳ {answer}</p>}
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}
