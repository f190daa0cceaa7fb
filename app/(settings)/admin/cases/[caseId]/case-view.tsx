/** @file One regression case: the conversation, what it asks for, and what every policy answered, newest first. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/app/_components/button";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { PromptTurns } from "@/app/_components/prompt-turns";
import { SensitiveText } from "@/app/_components/sensitive-text";
import type { CaseDetail } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useMay } from "@/app/_lib/viewer-context";
import { PageTitle, Section } from "../../../_frame/section";
import { kindTexts, sourceTexts } from "../case-outcome";
import { CaseAnswer } from "./case-answer";

export function CaseView({ initial }: { initial: CaseDetail }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const mayPin = useMay("models.manage");
  const { id: caseId } = initial;
  const { data, error } = useQuery(
    trpc.cases.get.queryOptions({ caseId }, { initialData: initial, refetchInterval: 15_000 }),
  );
  const archiving = useMutation(
    trpc.cases.archive.mutationOptions({
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.cases.pathKey() }),
    }),
  );
  const { number, title, why, kind, source, createdAt, createdBy, archivedAt, history } = data;
  const problem = error ?? archiving.error;
  return (
    <>
      <nav aria-label="Way back">
        <Link href="/admin/cases" className="text-small text-muted underline-offset-2 hover:underline">
          Regression cases
        </Link>
      </nav>
      <PageTitle
        aside={
          mayPin && (
            <Button
              busy={archiving.isPending}
              onClick={() => archiving.mutate({ caseId, isArchived: archivedAt === null })}
            >
              {archivedAt === null ? "Archive" : "Use again"}
            </Button>
          )
        }
      >
        {`${number}. ${title}`}
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Decided {kindTexts[kind]}; {sourceTexts[source]}, pinned <Moment at={createdAt} />
        {createdBy && ` by ${createdBy}`}.{why && ` ${why}`}
      </p>
      {archivedAt && (
        <Notice className="mt-3">
          Archived <Moment at={archivedAt} />: it is not asked any more, and no gate looks at it.
        </Notice>
      )}
      {problem && (
        <Notice tone="error" className="mt-3">
          {errorText(problem)}
        </Notice>
      )}
      <SensitiveText isSensitive={data.isSensitive}>
        <Section title="Conversation">
          <PromptTurns messages={data.messages} />
        </Section>
        <Section title="What the answer must be">
          <p className="whitespace-pre-wrap wrap-anywhere">{data.expectation}</p>
        </Section>
        <Section
          title="Answers"
          text={
            kind === "eyes"
              ? "As evaluations got them, the newest first. Where a promotion needs another admin’s approval, the “good” of whoever asks for it does not count: nobody passes their own request. That of an approver does, for reading is what they are asked to do; a “bad” counts by anybody."
              : "As evaluations got them, the newest first."
          }
        >
          {history.length === 0 && (
            <p className="max-w-[38rem] text-muted">
              No policy was asked yet. An evaluation asks every case, unless it is told not to.
            </p>
          )}
          <ol className="divide-y divide-line">
            {history.map((answer) => (
              <CaseAnswer key={answer.run.id} answer={answer} isForEyes={kind === "eyes"} />
            ))}
          </ol>
        </Section>
      </SensitiveText>
    </>
  );
}
