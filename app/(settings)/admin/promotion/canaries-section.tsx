/** @file Policies that answer a share of conversations: how large, on what way, how people take it, and ending it. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Moment } from "@/app/_components/moment";
import type { Canary } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { ReasonDialog } from "./reason-dialog";
import { useDecision } from "./use-decision";
import { WatchList } from "./watch-list";

export function CanariesSection({ canaries, mayDecide }: { canaries: Canary[]; mayDecide: boolean }) {
  const trpc = useTRPC();
  const { refresh } = useDecision();
  const [ended, setEnded] = useState<string | null>(null);
  const ending = useMutation(
    trpc.promotion.endCanary.mutationOptions({ onSuccess: () => setEnded(null), onSettled: refresh }),
  );
  if (canaries.length === 0) return null;
  return (
    <Section
      title="Canaries"
      text="A conversation always has the same policy; those that are in stay in as the share grows."
    >
      <ul className="space-y-6">
        {canaries.map((canary) => (
          <li key={canary.channel}>
            <div className="flex flex-wrap items-center justify-between gap-3">
              <p className="flex flex-wrap items-center gap-x-3">
                <MeaningBadge meaning="candidate">{canary.channel}</MeaningBadge>
                <span className="font-medium">{canary.checkpoint.name}</span>
                <span className="tabular">{canary.share} % of conversations</span>
              </p>
              {mayDecide && (
                <Button
                  small
                  aria-label={`End it: ${canary.channel}, ${canary.checkpoint.name}`}
                  onClick={() => setEnded(canary.channel)}
                >
                  End it
                </Button>
              )}
            </div>
            <p className="text-small text-muted">{describeRamp(canary)}</p>
            <div className="mt-2">
              {canary.watched ? (
                <WatchList watched={canary.watched} />
              ) : (
                <p className="text-small text-muted">
                  Not watched. On this channel since <Moment at={canary.since} />.
                </p>
              )}
            </div>
          </li>
        ))}
      </ul>
      {ended !== null && (
        <ReasonDialog
          title={`End ${ended}`}
          description="Its conversations go on with the live policy."
          act="End it"
          error={ending.error}
          isBusy={ending.isPending}
          onSubmit={(reason) => ending.mutate({ channel: ended, reason })}
          onClose={() => setEnded(null)}
        />
      )}
    </Section>
  );
}

function describeRamp({ ramp }: Canary): string {
  if (!ramp) return "It stays at this share.";
  const ahead = ramp.steps.slice(ramp.step + 1);
  const minutes = ramp.steps[ramp.step]?.minutes;
  if (!minutes || ahead.length === 0) return "It stays at this share until you decide.";
  return `${minutes} minutes at this share, then ${ahead.map(({ share }) => `${share} %`).join(", then ")}.`;
}
