/** @file A conversation that is written by hand, up to the turn that every candidate answers. */
"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { TextArea } from "@/app/_components/field";
import type { NewCase } from "@/app/_lib/api-types";
import { PageTitle } from "../../../_frame/section";
import { PinForm } from "../pin-form";

type Turn = { id: number; asked: string; answered: string };

export function NewCaseView() {
  const router = useRouter();
  const [system, setSystem] = useState("");
  const [earlier, setEarlier] = useState<Turn[]>([]);
  const [asked, setAsked] = useState("");
  const change = (id: number, changed: Partial<Turn>) =>
    setEarlier((now) => now.map((turn) => (turn.id === id ? { ...turn, ...changed } : turn)));
  return (
    <>
      <nav aria-label="Way back">
        <Link href="/admin/cases" className="text-small text-muted underline-offset-2 hover:underline">
          Regression cases
        </Link>
      </nav>
      <PageTitle>Write a case</PageTitle>
      <p className="mt-1 mb-5 max-w-[38rem] text-small text-muted">
        Every candidate answers the last question as it would in chat, always with its likeliest words.
      </p>
      <PinForm
        origin={{ from: "hand", messages: toMessages({ system, earlier, asked }) }}
        onPinned={({ caseId }) => router.push(`/admin/cases/${caseId}`)}
      >
        <TextArea
          label="System prompt (may be empty)"
          hint="Empty: the server’s own, as in chat."
          rows={2}
          value={system}
          onChange={({ target }) => setSystem(target.value)}
        />
        {earlier.map(({ id, asked: question, answered }, i) => (
          <fieldset key={id} className="grid gap-3 sm:grid-cols-2">
            <legend className="sr-only">Turn {i + 1}</legend>
            <TextArea
              label={`User, turn ${i + 1}`}
              rows={2}
              required
              value={question}
              onChange={({ target }) => change(id, { asked: target.value })}
            />
            <TextArea
              label={`Assistant, turn ${i + 1}`}
              rows={2}
              required
              value={answered}
              onChange={({ target }) => change(id, { answered: target.value })}
            />
          </fieldset>
        ))}
        <TextArea
          label="Question"
          rows={4}
          required
          value={asked}
          onChange={({ target }) => setAsked(target.value)}
        />
        {earlier.length < 20 && (
          <Button
            small
            onClick={() => setEarlier((now) => [...now, { id: now.length, asked: "", answered: "" }])}
          >
            Add a turn before
          </Button>
        )}
      </PinForm>
    </>
  );
}

type Written = { system: string; earlier: readonly Turn[]; asked: string };
type Messages = Extract<NewCase["origin"], { from: "hand" }>["messages"];

function toMessages({ system, earlier, asked }: Written): Messages {
  return [
    ...(system.trim() === "" ? [] : [{ role: "system" as const, content: system }]),
    ...earlier.flatMap((turn) => [
      { role: "user" as const, content: turn.asked },
      { role: "assistant" as const, content: turn.answered },
    ]),
    { role: "user" as const, content: asked },
  ];
}
