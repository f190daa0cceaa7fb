/** @file Candidate against live, and what can be decided now; stays in sight while the page scrolls. */
"use client";

import { useState } from "react";
import { Button } from "@/app/_components/button";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import type { PromotionCandidate, PromotionRequest, PromotionState } from "@/app/_lib/api-types";
import { describeGates } from "./describe-gates";
import { PromoteDialog } from "./promote-dialog";
import { RollbackDialog } from "./rollback-dialog";
import { useDecision } from "./use-decision";

type DecisionBarProps = {
  state: PromotionState;
  /** Of the candidate's promotion, where it is asked for. */
  request: PromotionRequest | null;
  viewerId: string;
  mayDecide: boolean;
};

export function DecisionBar({ state, request, viewerId, mayDecide }: DecisionBarProps) {
  const [isGoingBack, setIsGoingBack] = useState(false);
  /** The candidate as it was when the dialog opened, with the gates that reasons are typed for. */
  const [asks, setAsks] = useState<{ kind: "promotion" | "canary"; candidate: PromotionCandidate } | null>(
    null,
  );
  const { approve, carryOut, isBusy } = useDecision();
  const { live, candidate, canaries, frozen } = state;
  const failed = candidate?.decision.gates.filter(({ outcome }) => outcome === "failed") ?? [];
  const isCanary =
    canaries.some(({ checkpoint, share }) => share > 0 && checkpoint.id === candidate?.id) ||
    state.requests.some(({ kind, checkpoint }) => kind === "canary" && checkpoint.id === candidate?.id);
  const isOwn = request?.requestedBy?.id === viewerId;
  const needsApproval = failed.some(({ gate }) => gate === "approval");
  return (
    <div className="sticky top-0 z-10 -mx-2 mt-4 border-b border-line bg-canvas px-2 py-3">
      <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-3">
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
          {candidate && (
            <>
              <MeaningBadge meaning="candidate">candidate</MeaningBadge>
              <span className="font-medium">{candidate.name}</span>
              <span className="text-muted">against</span>
            </>
          )}
          <MeaningBadge meaning="live">live</MeaningBadge>
          <span className="font-medium">{live?.name ?? "nothing"}</span>
        </p>
        {mayDecide && (
          <div className="flex flex-wrap gap-2">
            {state.formerlyLive.length > 0 && <Button onClick={() => setIsGoingBack(true)}>Roll back</Button>}
            {candidate && !isCanary && (
              <Button disabled={frozen !== null} onClick={() => setAsks({ kind: "canary", candidate })}>
                Canary…
              </Button>
            )}
            {candidate && !request && (
              <Button
                look="primary"
                disabled={frozen !== null}
                onClick={() => setAsks({ kind: "promotion", candidate })}
              >
                {state.settings.gates.approval.isOn ? "Ask for promotion" : "Promote to live"}
              </Button>
            )}
            {request && needsApproval && !isOwn && (
              <Button look="primary" busy={isBusy} onClick={() => approve(request.id)}>
                Approve
              </Button>
            )}
            {request && !needsApproval && (
              <Button
                look="primary"
                busy={isBusy}
                disabled={failed.length > 0 || frozen !== null}
                onClick={() => carryOut(request.id)}
              >
                {isBusy ? "Loading it…" : "Promote to live"}
              </Button>
            )}
          </div>
        )}
      </div>
      {candidate && (
        <p className="mt-1 text-small text-muted">
          {describe(candidate.decision.gates, request, { isOwn, needsApproval })}
        </p>
      )}
      {isGoingBack && (
        <RollbackDialog formerlyLive={state.formerlyLive} onClose={() => setIsGoingBack(false)} />
      )}
      {asks && <PromoteDialog {...asks} state={state} onClose={() => setAsks(null)} />}
    </div>
  );
}

function describe(
  judged: PromotionCandidate["decision"]["gates"],
  request: PromotionRequest | null,
  { isOwn, needsApproval }: { isOwn: boolean; needsApproval: boolean },
): string {
  const gates = describeGates(judged);
  if (!request) return gates;
  const asked = `Asked for by ${request.requestedBy?.name || "an account since deleted"}.`;
  const waits = needsApproval
    ? isOwn
      ? " Another admin must approve."
      : " Your approval is asked for."
    : "";
  return `${gates} ${asked}${waits}`;
}
