/** @file Writes a prompt, by leads and labelers alike: plain, from a use case, or an instruction with several examples. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { AddedPrompt, Inputs } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { describeMasked, ruleNames } from "@/app/_lib/prompt-names";
import { useTRPC } from "@/app/_lib/trpc";
import { Button } from "./button";
import { SelectField, TextArea } from "./field";
import { Notice } from "./notice";

type Form = Inputs["prompts"]["write"]["form"];
type Example = { id: number; question: string; answer: string };

const forms: Record<Form, { title: string; hint: string }> = {
  plain: { title: "Plain", hint: "Any task; see that the tasks are diverse." },
  useCase: {
    title: "From a use case",
    hint: "Think of somebody with a purpose, and ask what they would ask.",
  },
  fewShot: { title: "Few-shot", hint: "An instruction, two or more examples, and a question left open." },
};
const isForm = (value: string): value is Form => Object.hasOwn(forms, value);
const noExamples: Example[] = [0, 1].map((id) => ({ id, question: "", answer: "" }));

export function WritePromptForm({ onWritten }: { onWritten: () => void }) {
  const trpc = useTRPC();
  const [form, setForm] = useState<Form>("plain");
  const [useCase, setUseCase] = useState("");
  const [instruction, setInstruction] = useState("");
  const [text, setText] = useState("");
  const [examples, setExamples] = useState<Example[]>(noExamples);
  const writing = useMutation(
    trpc.prompts.write.mutationOptions({
      onSuccess: ({ status }) => {
        onWritten();
        if (status !== "ready") return;
        setText("");
        setExamples(noExamples);
      },
    }),
  );
  const change = (id: number, changed: Partial<Example>) =>
    setExamples((now) => now.map((example) => (example.id === id ? { ...example, ...changed } : example)));
  const isFewShot = form === "fewShot";
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (form === "fewShot") writing.mutate({ form, instruction, examples, text });
        else if (form === "useCase") writing.mutate({ form, useCase, systemPrompt: instruction, text });
        else writing.mutate({ form, systemPrompt: instruction, text });
      }}
    >
      <SelectField
        label="Form"
        hint={forms[form].hint}
        value={form}
        onChange={({ target }) => isForm(target.value) && setForm(target.value)}
      >
        {Object.entries(forms).map(([value, { title }]) => (
          <option key={value} value={value}>
            {title}
          </option>
        ))}
      </SelectField>
      {form === "useCase" && (
        <TextArea
          label="Use case"
          hint="Who wants what, in a sentence or two. It is kept beside the prompt; no policy sees it."
          rows={2}
          required
          maxLength={2_000}
          value={useCase}
          onChange={({ target }) => setUseCase(target.value)}
        />
      )}
      <TextArea
        label={isFewShot ? "Instruction" : "System prompt (may be empty)"}
        rows={2}
        required={isFewShot}
        value={instruction}
        onChange={({ target }) => setInstruction(target.value)}
      />
      {isFewShot &&
        examples.map(({ id, question, answer }, i) => (
          <fieldset key={id} className="grid gap-3 sm:grid-cols-2">
            <legend className="sr-only">Example {i + 1}</legend>
            <TextArea
              label={`Question ${i + 1}`}
              rows={2}
              required
              value={question}
              onChange={({ target }) => change(id, { question: target.value })}
            />
            <TextArea
              label={`Answer ${i + 1}`}
              rows={2}
              required
              value={answer}
              onChange={({ target }) => change(id, { answer: target.value })}
            />
          </fieldset>
        ))}
      {isFewShot && examples.length < 20 && (
        <Button
          small
          onClick={() => setExamples((now) => [...now, { id: now.length, question: "", answer: "" }])}
        >
          Add an example
        </Button>
      )}
      <TextArea
        label={isFewShot ? "The question left open" : "Prompt"}
        rows={5}
        required
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      {writing.error && <Notice tone="error">{errorText(writing.error)}</Notice>}
      {writing.data && <Written added={writing.data} />}
      <Button type="submit" look="primary" busy={writing.isPending}>
        Add the prompt
      </Button>
    </form>
  );
}

function Written({ added: { removedBy, masked } }: { added: AddedPrompt }) {
  const maskedText = describeMasked(masked);
  if (removedBy) {
    return <Notice tone="warning">Put aside: {ruleNames[removedBy]}. Change it and add it again.</Notice>;
  }
  return <Notice>The prompt is ready.{maskedText && ` Masked in it: ${maskedText}.`}</Notice>;
}
