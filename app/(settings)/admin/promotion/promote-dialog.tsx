/** @file Asks for a promotion or a canary: why, a reason for each gate that does not hold, when, and how if memory is short. */
"use client";

import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { Inputs, PromotionCandidate, PromotionGate, PromotionState } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatBytes } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { RampFields } from "./ramp-fields";
import { describePlan, emptyStep, type RampStepText, readRamp, textOfRamp } from "./read-ramp";
import { useDecision } from "./use-decision";
import { VocabularyNotice } from "./vocabulary-notice";

type PromoteDialogProps = {
  kind: "promotion" | "canary";
  state: PromotionState;
  /** As it was when the dialog opened: reasons are typed for it, and for its gates. */
  candidate: PromotionCandidate;
  onClose: () => void;
};

export function PromoteDialog({ kind, state, candidate, onClose }: PromoteDialogProps) {
  const trpc = useTRPC();
  const toast = useToast();
  const { refresh } = useDecision();
  const gates = kind === "promotion" ? candidate.decision.gates : candidate.canaryGates;
  const toSetAside = gates.filter(({ outcome, isOverridable }) => outcome === "failed" && isOverridable);
  const needsApproval = gates.some(({ gate, outcome }) => gate === "approval" && outcome === "failed");
  const [reason, setReason] = useState("");
  const [why, setWhy] = useState("");
  const [when, setWhen] = useState("");
  const [isCold, setIsCold] = useState(!candidate.room.fits);
  const defaults = useQuery(trpc.promotion.defaultRamp.queryOptions(undefined, { staleTime: Infinity }));
  const [typed, setTyped] = useState<RampStepText[] | null>(null);
  const steps = typed ?? (defaults.data ? textOfRamp(defaults.data) : [emptyStep]);
  const ramp = readRamp(steps);
  // Memory is as it is now: another policy may have been loaded since.
  const { room } = state.candidate?.id === candidate.id ? state.candidate : candidate;
  const waits = needsApproval || when !== "";
  const asking = useMutation(trpc.promotion.request.mutationOptions());
  const withdrawing = useMutation(trpc.promotion.withdraw.mutationOptions());
  const carryingOut = useMutation(trpc.promotion.carryOut.mutationOptions());
  const error = asking.error ?? withdrawing.error ?? carryingOut.error;

  /** What was asked for and could not be carried out stays asked for, unless the fields say something else by now. */
  const ask = async (asked: Inputs["promotion"]["request"]) => {
    const earlier = asking.data;
    if (earlier && JSON.stringify(asking.variables) === JSON.stringify(asked)) return earlier;
    if (earlier) await withdrawing.mutateAsync(earlier);
    return asking.mutateAsync(asked);
  };

  const submit = async () => {
    const asked: Inputs["promotion"]["request"] = {
      channel: kind === "promotion" ? "live" : "canary",
      checkpointId: candidate.id,
      reason,
      plan: kind === "canary" ? ramp.plan : null,
      isCold: kind === "promotion" && isCold,
      scheduledFor: when === "" ? null : new Date(when),
      overrides: toSetAside.map(({ gate }) => ({ gate, reason: why })),
    };
    carryingOut.reset();
    const { requestId } = await ask(asked);
    if (!waits) await carryingOut.mutateAsync({ requestId });
    toast({
      text: waits ? "It is asked for." : doneText(candidate.name, kind === "canary" ? ramp.plan : null),
    });
    onClose();
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={kind === "promotion" ? `Promote ${candidate.name} to live` : `Try ${candidate.name} on a canary`}
      description={
        kind === "promotion"
          ? "It is loaded beside the live policy, then takes over. Answers in the making are finished by the old one."
          : "It answers a share of conversations, which grows step by step. It ends by itself where people are worse off."
      }
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          submit()
            .catch(() => {})
            .finally(() => void refresh());
        }}
      >
        <TextField
          label="Reason"
          hint="Kept for good in the history."
          required
          maxLength={1000}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        <VocabularyNotice candidate={candidate} liveName={state.live?.name ?? ""} />
        {toSetAside.length > 0 && <SetAside gates={toSetAside} value={why} onChange={setWhy} />}
        {kind === "canary" && defaults.data && <RampFields steps={steps} onChange={setTyped} />}
        {kind === "promotion" && (
          <>
            <TextField
              label="When"
              type="datetime-local"
              hint="Empty: now. Gates are looked at again then."
              value={when}
              onChange={(event) => setWhen(event.target.value)}
            />
            <ColdChoice state={state} room={room} isCold={isCold} onChange={setIsCold} />
          </>
        )}
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {carryingOut.error && (
          <p className="text-small text-muted">
            It stays asked for, in the list of requests. What you change here takes its place.
          </p>
        )}
        <Button
          type="submit"
          look="primary"
          disabled={kind === "canary" && (!defaults.data || ramp.problem !== null)}
          busy={[asking, withdrawing, carryingOut].some(({ isPending }) => isPending)}
        >
          {buttonText({ kind, waits, isLoading: carryingOut.isPending })}
        </Button>
      </form>
    </Dialog>
  );
}

const doneText = (name: string, plan: ReturnType<typeof readRamp>["plan"] | null) =>
  plan === null ? `${name} is live.` : `${name} answers ${describePlan(plan)}.`;

function buttonText({
  kind,
  waits,
  isLoading,
}: {
  kind: "promotion" | "canary";
  waits: boolean;
  isLoading: boolean;
}): string {
  if (isLoading) return "Loading it…";
  if (waits) return "Ask for it";
  return kind === "promotion" ? "Promote to live" : "Start the canary";
}

type SetAsideProps = { gates: PromotionGate[]; value: string; onChange: (text: string) => void };

function SetAside({ gates, value, onChange }: SetAsideProps) {
  return (
    <div className="space-y-2">
      <Notice tone="warning">
        These gates do not hold:{" "}
        {gates.map(({ title, says }) => `${title.toLowerCase()} (${says})`).join(", ")}.
      </Notice>
      <TextField
        label="Why set them aside"
        hint="Recorded for good with each of them."
        required
        maxLength={1000}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}

type ColdChoiceProps = {
  state: PromotionState;
  room: PromotionCandidate["room"];
  isCold: boolean;
  onChange: (isCold: boolean) => void;
};

function ColdChoice({ state, room, isCold, onChange }: ColdChoiceProps) {
  if (room.fits) return null;
  return (
    <div className="space-y-2">
      <Notice tone="warning">
        It needs {formatBytes(room.neededBytes)} beside {state.live?.name ?? "what is live"}, and{" "}
        {formatBytes(room.freeBytes)} are free.
      </Notice>
      <label className="flex items-start gap-2.5">
        <input
          type="checkbox"
          className="mt-1.5"
          checked={isCold}
          onChange={(event) => onChange(event.target.checked)}
        />
        <span>
          Unload the live policy first
          <span className="block text-small text-muted">Chat pauses until the new one is loaded.</span>
        </span>
      </label>
    </div>
  );
}
