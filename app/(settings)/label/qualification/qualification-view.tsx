/** @file Where a labeler stands: what the test asks, how far it is, how it went, and the one next step. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import type { ReactNode } from "react";
import { buttonClass } from "@/app/_components/button-class";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { OwnQualification } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "@/app/(settings)/_frame/section";
import { Agreement } from "@/app/label/_console/no-task-page";
import { CriteriaTable } from "./criteria-table";
import { SitTest } from "./sit-test";
import { StartForm } from "./start-form";

type QualificationViewProps = { initialState: OwnQualification; agreement: { text: readonly string[] } };

export function QualificationView({ initialState, agreement }: QualificationViewProps) {
  const trpc = useTRPC();
  const { data, error, refetch } = useQuery(
    trpc.qualification.own.queryOptions(undefined, {
      initialData: initialState,
      refetchInterval: 30_000,
      // Between two visits the console has changed what was known.
      refetchOnMount: "always",
    }),
  );
  const reload = () => void refetch();
  return (
    <>
      <PageTitle>Qualification</PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Practice tasks explain themselves after each submit. The test asks for the same work on tasks with a
        known answer. Work is given to those who have passed it.
      </p>
      <div className="mt-4 max-w-[38rem] space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {data.requalifyReason !== null && (
          <Notice tone="warning">
            <span className="font-medium">Your labeling lead asks you to sit the test again: </span>
            {data.requalifyReason}
          </Notice>
        )}
      </div>
      {data.setAsideReason !== null ? (
        <Section title="Your work is set aside">
          <p>{data.setAsideReason} Speak with your labeling lead.</p>
        </Section>
      ) : data.hasAgreed ? (
        <NextStep state={data} onDone={reload} />
      ) : (
        <Section title="Before you begin">
          <div className="max-w-[38rem] space-y-4">
            <Agreement text={agreement.text} onAgreed={reload} />
          </div>
        </Section>
      )}
      {data.sitting && data.sitting.status !== "sitting" && <LastSitting sitting={data.sitting} />}
    </>
  );
}

function NextStep({ state, onDone }: { state: OwnQualification; onDone: () => void }) {
  const { sitting, test, maySit, qualifiedAt } = state;
  if (qualifiedAt) {
    return (
      <Section title="You are qualified">
        <p>
          Since <Moment at={qualifiedAt} withTime={false} />.
        </p>
        <Acts>
          <Link href="/label" className={buttonClass("primary")}>
            To the work
          </Link>
        </Acts>
      </Section>
    );
  }
  if (sitting?.status === "sitting") return <SitTest sitting={sitting} onDone={onDone} />;
  if (sitting?.status === "reviewing") {
    return (
      <Section title="Being reviewed">
        <p role="status">
          {sitting.waiting === 1
            ? "One of your demonstrations waits"
            : `${sitting.waiting} of your demonstrations wait`}{" "}
          for a rating by a lead. The result appears here by itself; you may leave this page.
        </p>
        <Practice state={state} />
      </Section>
    );
  }
  if (!test) {
    return (
      <Section title="No test is open to you">
        <p>When a labeling lead opens one, it can be begun here.</p>
        <Practice state={state} />
      </Section>
    );
  }
  if (maySit && !maySit.may) {
    return (
      <Section title="Not again yet">
        <p>
          {maySit.text}{" "}
          {maySit.from && (
            <>
              You may begin on <Moment at={maySit.from} />.
            </>
          )}
        </p>
        <Practice state={state} />
      </Section>
    );
  }
  return (
    <>
      <StartForm test={test} isAgain={state.sittings > 0} onStarted={onDone} />
      <Practice state={state} />
    </>
  );
}

function Practice({ state }: { state: OwnQualification }) {
  if (!state.hasPractice) return null;
  return (
    <Acts>
      <Link href="/label?purpose=practice" className={buttonClass()}>
        Practise
      </Link>
    </Acts>
  );
}

const Acts = ({ children }: { children: ReactNode }) => (
  <p className="mt-3 flex flex-wrap gap-2">{children}</p>
);

const outcomes = { reviewing: "so far", passed: "passed", failed: "not passed", sitting: "" } as const;

function LastSitting({ sitting }: { sitting: NonNullable<OwnQualification["sitting"]> }) {
  const { status, submittedAt, endedAt, decisionReason, areas } = sitting;
  const at = endedAt ?? submittedAt;
  return (
    <Section title={`Your last sitting: ${outcomes[status]}`} text={at && <Moment at={at} />}>
      {decisionReason && (
        <Notice className="mb-3 max-w-[38rem]">
          <span className="font-medium">A lead decided otherwise than the cut-offs: </span>
          {decisionReason}
        </Notice>
      )}
      <CriteriaTable figures={sitting} cutoffs={sitting.cutoffs} verdicts={sitting.verdicts} areas={areas} />
      {status === "failed" && (
        <p className="mt-3 max-w-[38rem]">
          Read the guidelines again and practise; a criterion below its cut-off says where to begin. A lead
          may pass you all the same: ask, if you think a known answer is wrong.
        </p>
      )}
    </Section>
  );
}
