/** @file The form for a prompt, and the prompts one wrote with what became of each. */
"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { buttonClass } from "@/app/_components/button-class";
import { Moment } from "@/app/_components/moment";
import { PromptTurns } from "@/app/_components/prompt-turns";
import { WritePromptForm } from "@/app/_components/write-prompt-form";
import type { OwnPrompt } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { describeMasked, ruleNames } from "@/app/_lib/prompt-names";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "@/app/(settings)/_frame/section";

export function OwnPromptsView({ initialPrompts }: { initialPrompts: OwnPrompt[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const { data: prompts } = useQuery(
    trpc.prompts.own.queryOptions(undefined, { initialData: initialPrompts }),
  );
  return (
    <>
      <PageTitle
        aside={
          <Link href="/label/work" className={buttonClass("plain")}>
            Your work
          </Link>
        }
      >
        Write prompts
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        What other labelers will rank answers to; your own never come to you. Personal data is masked on the
        way in, and what you wrote goes with your account.
      </p>
      <div className="mt-5 max-w-[46rem]">
        <WritePromptForm
          onWritten={() => void queries.invalidateQueries({ queryKey: trpc.prompts.own.queryKey() })}
        />
      </div>
      <Section title="Yours" text="The newest 50.">
        {prompts.length === 0 ? (
          <p className="text-muted">None yet. What you add is listed here, with what became of it.</p>
        ) : (
          <ul aria-label="Your prompts" className="max-w-[46rem] divide-y divide-line border-y border-line">
            {prompts.map((prompt) => (
              <li key={prompt.id} className="py-2">
                <details>
                  <summary className="cursor-pointer break-words">
                    {shorten(prompt.messages.at(-1)?.content ?? "")}
                  </summary>
                  <div className="mt-2 border-l-2 border-line pl-3">
                    {prompt.useCase !== "" && (
                      <p className="mb-2 text-small text-muted">Use case: {prompt.useCase}</p>
                    )}
                    <PromptTurns messages={prompt.messages} />
                  </div>
                </details>
                <p className="text-small text-muted">
                  <Moment at={prompt.createdAt} /> · {describeForm(prompt)} · {describeState(prompt)}
                </p>
              </li>
            ))}
          </ul>
        )}
      </Section>
    </>
  );
}

const formNames: Record<OwnPrompt["form"], string> = {
  plain: "plain",
  fewShot: "few-shot",
  useCase: "from a use case",
};

function describeForm({ form, masked }: OwnPrompt): string {
  const maskedText = describeMasked(masked);
  return maskedText === "" ? formNames[form] : `${formNames[form]} · masked: ${maskedText}`;
}

function describeState({ status, removedBy, tasks, rankings }: OwnPrompt): string {
  if (status === "removed" && removedBy) return `put aside: ${ruleNames[removedBy]}`;
  if (status === "reported") return "pulled from every queue after a report";
  if (rankings > 0) return `ranked: ${plural(rankings, "ranking", "rankings")}`;
  return tasks > 0 ? "in a batch, not ranked yet" : "ready, in no batch yet";
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
