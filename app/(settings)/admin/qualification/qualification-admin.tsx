/** @file For leads: practice and tests, sittings with their four figures, what the team covers. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { buttonClass } from "@/app/_components/button-class";
import { DataTable } from "@/app/_components/data-table";
import { Notice } from "@/app/_components/notice";
import type { CoveredArea, ListedSitting, QualificationTest } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../_frame/section";
import { criteriaTexts } from "../../label/qualification/criteria-table";
import { AskAllForm } from "./ask-all-form";
import { sittingColumns } from "./sitting-columns";
import { SittingDialog } from "./sitting-dialog";
import { TestsTable } from "./tests-table";

type QualificationAdminProps = {
  initialTests: QualificationTest[];
  initialSittings: ListedSitting[];
  areas: CoveredArea[];
};

export function QualificationAdmin({ initialTests, initialSittings, areas }: QualificationAdminProps) {
  const trpc = useTRPC();
  const [openId, setOpenId] = useState<string | null>(null);
  const often = { refetchInterval: 30_000 };
  const tests = useQuery(
    trpc.qualification.tests.queryOptions(undefined, { initialData: initialTests, ...often }),
  );
  const sittings = useQuery(
    trpc.qualification.sittings.queryOptions(undefined, { initialData: initialSittings, ...often }),
  );
  const error = tests.error ?? sittings.error;
  const isOpen = tests.data.some(({ purpose, status }) => purpose === "qualification" && status === "open");
  return (
    <>
      <PageTitle
        aside={
          <p className="flex flex-wrap gap-2">
            <Link href="/admin/batches/new?purpose=practice" className={buttonClass()}>
              New practice
            </Link>
            <Link href="/admin/batches/new?purpose=qualification" className={buttonClass("primary")}>
              New test
            </Link>
          </p>
        }
      >
        Qualification
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        While a test is open, work is given to those who have passed it. The newest open one is sat. Without
        any, everybody who has accepted the agreement works.
      </p>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        <TestsTable tests={tests.data} />
      </div>
      <Section
        title="Sittings"
        text={
          <>
            Rankings: {criteriaTexts.rankings}. Flags: {criteriaTexts.flags}. Demonstrations wait{" "}
            <Link href="/admin/demonstrations" className="text-accent underline underline-offset-2">
              for a rating
            </Link>
            ; the last one decides the sitting.
          </>
        }
      >
        {sittings.data.length === 0 ? (
          <p className="text-muted">
            Nobody has sat a test yet. Each sitting is listed here from its beginning, with the answers behind
            its figures.
          </p>
        ) : (
          <DataTable
            caption="Sittings"
            columns={sittingColumns(setOpenId)}
            rows={sittings.data}
            rowKey={({ id }) => id}
          />
        )}
      </Section>
      {areas.length > 0 && (
        <Section
          title="What the team covers"
          text="Areas of competence that qualified labelers named of themselves in their newest sitting."
        >
          <div className="max-w-md">
            <DataTable
              caption="Areas of competence"
              columns={[
                { title: "Area", cell: ({ area }) => area },
                { title: "Qualified labelers", isNumber: true, cell: ({ labelers }) => labelers },
              ]}
              rows={areas}
              rowKey={({ area }) => area}
            />
          </div>
        </Section>
      )}
      {isOpen && (
        <Section
          title="Ask all again"
          text="After new guidelines, say: all who are qualified are given no work until they pass the newest open test. One labeler alone is asked on the page of labelers."
        >
          <AskAllForm />
        </Section>
      )}
      {openId && <SittingDialog key={openId} sittingId={openId} onClose={() => setOpenId(null)} />}
    </>
  );
}
