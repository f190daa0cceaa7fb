/** @file The agreement page: figures with their intervals, who and when they are about, and the tasks people differ on. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import type { AgreementChoices, AgreementReport } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";
import { AgreementFilters, noFilters, questionOf } from "./agreement-filters";
import { AgreementSections } from "./agreement-sections";
import { HardestTasks } from "./hardest-tasks";

type AgreementViewProps = { choices: AgreementChoices; report: AgreementReport };

export function AgreementView({ choices, report: initial }: AgreementViewProps) {
  const trpc = useTRPC();
  const [filters, setFilters] = useState(noFilters);
  const question = questionOf(filters);
  const query = useQuery(
    trpc.agreement.report.queryOptions(question, {
      placeholderData: (previous) => previous,
      ...(filters === noFilters && { initialData: initial }),
    }),
  );
  const report = query.data;
  return (
    <>
      <PageTitle>Agreement</PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        How often two people who ranked the same task put a pair of responses in the same order. Labelers
        appear under their pseudonyms; who was set aside, practice and tests are left out.
      </p>
      <AgreementFilters filters={filters} choices={choices} onChange={setFilters} />
      {query.error && (
        <Notice tone="error" className="mt-3">
          {errorText(query.error)}
        </Notice>
      )}
      <div aria-busy={query.isPlaceholderData} className="aria-busy:opacity-60">
        {report && <ReadNote report={report} />}
        {report && report.read.rankings > 0 && (
          <>
            <AgreementSections report={report} />
            <HardestTasks question={question} tieRuleText={report.tieRuleText} />
          </>
        )}
        {report?.read.rankings === 0 && (
          <Empty isFiltered={filters !== noFilters} onClear={() => setFilters(noFilters)} />
        )}
      </div>
    </>
  );
}

function ReadNote({ report: { read, cutAt } }: { report: AgreementReport }) {
  if (read.rankings === 0) return null;
  const from = `${plural(read.rankings, "ranking", "rankings")} of ${plural(read.tasks, "task", "tasks")} by ${plural(read.labelers, "labeler", "labelers")}`;
  return (
    <>
      <p role="status" className="mt-4 text-small text-muted tabular">
        From {from}, as far as they can be compared.
      </p>
      {cutAt !== null && (
        <Notice tone="warning" className="mt-2">
          There are more: only the newest {cutAt.toLocaleString("en")} rankings are read. Choose a batch or a
          period to see the others.
        </Notice>
      )}
    </>
  );
}

function Empty({ isFiltered, onClear }: { isFiltered: boolean; onClear: () => void }) {
  return (
    <div className="mt-10 max-w-[38rem]">
      {isFiltered ? (
        <>
          <p>No two rankings of this kind can be compared.</p>
          <Button className="mt-3" onClick={onClear}>
            Show all rankings
          </Button>
        </>
      ) : (
        <p>
          Nothing can be compared yet. Agreement appears here as soon as two labelers have ranked the same
          task: make a batch with an overlap of 2 or more, or import rankings of several people.
        </p>
      )}
    </div>
  );
}
