/** @file The promotion page: the decision on top, then gates, evidence, canaries, history and what an admin sets. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { SelectField } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { PromotionHistoryPage, PromotionState } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../_frame/section";
import { CanariesSection } from "./canaries-section";
import { ComparisonSection } from "./comparison-section";
import { DecisionBar } from "./decision-bar";
import { EvidenceSections } from "./evidence-sections";
import { FreezeButton } from "./freeze-button";
import { GatesList } from "./gates-list";
import { HistorySection } from "./history-section";
import { LiveThenSection } from "./live-then-section";
import { RequestsSection } from "./requests-section";
import { SettingsSection } from "./settings-section";
import { TouchedNotice } from "./touched-notice";
import { VocabularyNotice } from "./vocabulary-notice";
import { WatchList } from "./watch-list";

/** Evidence grows by judgments and suites: in minutes. */
const pollMs = 15_000;

type PromotionViewProps = {
  candidateId: string | null;
  initial: PromotionState;
  firstPage: PromotionHistoryPage;
  viewerId: string;
  mayDecide: boolean;
};

export function PromotionView({ candidateId, initial, firstPage, viewerId, mayDecide }: PromotionViewProps) {
  const trpc = useTRPC();
  // The one that is shown stays the one that is asked about: a newer checkpoint must not slip under a decision.
  const [shownId, setShownId] = useState(candidateId ?? initial.candidate?.id ?? null);
  const { data: state = initial, error } = useQuery(
    trpc.promotion.state.queryOptions(
      { candidateId: shownId },
      { placeholderData: (previous) => previous ?? initial, refetchInterval: pollMs },
    ),
  );
  if (shownId === null && state.candidate) setShownId(state.candidate.id);
  const { live, candidate, frozen } = state;
  const request = state.requests.find(
    ({ checkpoint, kind }) => kind === "promotion" && checkpoint.id === candidate?.id,
  );
  const isLiveNow = live !== null && shownId === live.id;
  return (
    <>
      <PageTitle aside={mayDecide && <FreezeButton isFrozen={frozen !== null} />}>Promotion</PageTitle>
      {error && (
        <Notice tone="error" className="mt-3">
          {errorText(error)}
        </Notice>
      )}
      {frozen && (
        <Notice tone="warning" className="mt-3">
          Promotions are frozen since <Moment at={frozen.at} />
          {frozen.by && `, by ${frozen.by}`}: {frozen.reason} The way back stays open.
        </Notice>
      )}
      <TouchedNotice candidateId={candidate?.id ?? null} />
      <DecisionBar state={state} request={request ?? null} viewerId={viewerId} mayDecide={mayDecide} />
      {live?.watched && (
        <Section
          title={`${live.name} is watched`}
          text="It is taken back by itself where people are worse off with it than with the policy before."
        >
          <WatchList watched={live.watched} />
        </Section>
      )}
      {candidate ? (
        <Section title="Gates" text="What the candidate must show, those that do not hold first.">
          <CandidateChoice state={state} />
          <VocabularyNotice candidate={candidate} liveName={live?.name ?? ""} />
          <GatesList
            candidateId={candidate.id}
            gates={candidate.decision.gates}
            requestId={mayDecide ? (request?.id ?? null) : null}
          />
        </Section>
      ) : shownId !== null && state.choices.length > 0 ? (
        <Section title="Candidate">
          <Notice tone={isLiveNow ? "info" : "warning"} className="mb-3">
            {isLiveNow
              ? `${live.name} is live. Choose what comes next.`
              : "This candidate cannot be promoted: it is unknown, a reward model, or its files were deleted. Choose another."}
          </Notice>
          <CandidateChoice state={state} />
        </Section>
      ) : (
        <Section title="Candidate">
          <p className="text-muted">
            Nothing to promote yet: it takes a second checkpoint. A run makes one, and{" "}
            <code className="font-mono">npx attune models pull</code> fetches one.
          </p>
        </Section>
      )}
      {candidate && live && (
        <EvidenceSections
          candidateId={candidate.id}
          opponentId={live.id}
          mayManage={mayDecide}
          without={[
            // Until somebody asks it would be whoever looks.
            (request ? request.requestedBy?.id : viewerId) ?? [],
            candidate.decision.approvals.map(({ actorId }) => actorId),
          ].flat()}
        />
      )}
      <ComparisonSection candidate={candidate} frozen={frozen !== null} mayDecide={mayDecide} />
      <CanariesSection canaries={state.canaries} mayDecide={mayDecide} />
      <RequestsSection requests={state.requests} viewerId={viewerId} mayDecide={mayDecide} />
      <HistorySection firstPage={firstPage} state={state} mayDecide={mayDecide} />
      <LiveThenSection />
      <SettingsSection settings={state.settings} mayDecide={mayDecide} />
    </>
  );
}

function CandidateChoice({ state: { candidate, choices } }: { state: PromotionState }) {
  const router = useRouter();
  return (
    <div className="mb-3 max-w-xs">
      <SelectField
        label="Candidate"
        value={candidate?.id ?? ""}
        onChange={(event) => router.replace(`/admin/promotion?candidate=${event.target.value}`)}
      >
        {!candidate && (
          <option value="" disabled>
            none
          </option>
        )}
        {choices.map(({ id, name, stage }) => (
          <option key={id} value={id}>
            {name} ({stage}, {id.slice(0, 8)})
          </option>
        ))}
      </SelectField>
    </div>
  );
}
