/** @file Answers a question or corrects its answer; on request the answer becomes an example in the guidelines. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { TextArea } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import { useToast } from "@/app/_components/toast";
import type { AskedQuestion } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { KeyHint } from "@/app/label/_console/key-hint";

const mostCharacters = 20_000;

type AnswerFormProps = { question: AskedQuestion; onAnswered: () => Promise<void> };

export function AnswerForm({ question: asked, onAnswered }: AnswerFormProps) {
  const toast = useToast();
  const [answer, setAnswer] = useState(asked.answer ?? "");
  const [isExample, setIsExample] = useState(false);
  const [example, setExample] = useState<{ question: string; answer: string | null }>({
    question: asked.question,
    answer: null,
  });
  /** Until it is given words of its own, the example says what the answer says. */
  const exampleAnswer = example.answer ?? answer;
  const sending = useMutation(
    useTRPC().questions.answer.mutationOptions({
      onSuccess: async ({ exampleInVersion }) => {
        toast({
          text: isExample
            ? `Answered, and an example in version ${exampleInVersion} of the guidelines.`
            : "Answered. The labeler sees it at the task.",
        });
        await onAnswered();
      },
    }),
  );
  const isUnchanged = answer.trim() === (asked.answer ?? "").trim() && !isExample;
  const isUnfit =
    answer.trim() === "" || (isExample && (example.question.trim() === "" || exampleAnswer.trim() === ""));
  const send = () => {
    if (isUnfit || isUnchanged || sending.isPending) return;
    sending.mutate({
      questionId: asked.id,
      answer,
      basedOn: asked.answer,
      example: isExample ? { question: example.question, answer: exampleAnswer } : null,
    });
  };
  return (
    <form
      id="answer-form"
      className="mt-4 max-w-[46rem] space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
        if (event.key === "Escape" && event.target instanceof HTMLElement) event.target.blur();
      }}
    >
      <TextArea
        label="Answer"
        hint={
          asked.answeredBy &&
          `Answered by ${asked.answeredBy.name}. A correction is shown to the labeler as new.`
        }
        rows={4}
        required
        maxLength={mostCharacters}
        value={answer}
        onChange={({ target }) => setAnswer(target.value)}
      />
      {asked.exampleInVersion === null ? (
        <Switch
          label="Add as example to the guidelines"
          hint="Makes a new version. Batches made from then on use it; those under way keep theirs."
          checked={isExample}
          onChange={setIsExample}
        />
      ) : (
        <p className="text-small text-muted">
          An example since version {asked.exampleInVersion} of the guidelines.
        </p>
      )}
      {isExample && (
        <fieldset className="space-y-3 border-l-2 border-line pl-4">
          <legend className="sr-only">Example</legend>
          <p className="text-small text-muted">
            A version of the guidelines is never erased: word the example so that it holds nothing of the
            prompt and names nobody.
          </p>
          <TextArea
            label="Example: question"
            rows={2}
            required
            maxLength={mostCharacters}
            value={example.question}
            onChange={({ target }) => setExample({ ...example, question: target.value })}
          />
          <TextArea
            label="Example: answer"
            rows={3}
            required
            maxLength={mostCharacters}
            value={exampleAnswer}
            onChange={({ target }) => setExample({ ...example, answer: target.value })}
          />
        </fieldset>
      )}
      {sending.error && <Notice tone="error">{errorText(sending.error)}</Notice>}
      <Button
        type="submit"
        look="primary"
        aria-keyshortcuts="Control+Enter"
        busy={sending.isPending}
        disabled={isUnfit || isUnchanged}
      >
        {isExample ? "Answer and add the example" : asked.answer === null ? "Answer" : "Correct the answer"}{" "}
        <KeyHint>Ctrl Enter</KeyHint>
      </Button>
    </form>
  );
}
