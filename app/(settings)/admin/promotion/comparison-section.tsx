/** @file The live comparison: a challenger beside the live policy in some chats of people who agreed; starting and ending it. */
"use client";

import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button } from "@/app/_components/button";
import { TextField } from "@/app/_components/field";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { LiveComparison, PromotionCandidate } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { ReasonDialog } from "./reason-dialog";
import { useDecision } from "./use-decision";

type ComparisonSectionProps = {
  candidate: PromotionCandidate | null;
  frozen: boolean;
  mayDecide: boolean;
};

export function ComparisonSection({ candidate, frozen, mayDecide }: ComparisonSectionProps) {
  const trpc = useTRPC();
  const { data, error } = useQuery(
    trpc.promotion.comparisons.queryOptions(undefined, { refetchInterval: 15_000 }),
  );
  if (!data) return error && <Notice tone="error">{errorText(error)}</Notice>;
  const running = data.find(({ ended }) => ended === null);
  const past = data.filter(({ ended }) => ended !== null);
  const canStart = !running && candidate !== null && mayDecide;
  if (!running && !canStart && past.length === 0) return null;
  return (
    <Section
      title="Live comparison"
      text="Some questions of people who let their conversations be used get two drafts, by the live policy and a challenger, in an order drawn by chance. Which of them they choose counts as a judgment."
    >
      {running && <Running comparison={running} mayDecide={mayDecide} />}
      {canStart && <StartForm key={candidate.id} candidate={candidate} frozen={frozen} />}
      {past.length > 0 && (
        <details className="mt-3">
          <summary className="hover:bg-hover">
            {plural(past.length, "earlier comparison", "earlier comparisons")}
          </summary>
          <ul className="mt-2 space-y-2 text-small text-muted">
            {past.map((comparison) => (
              <li key={comparison.id}>
                {comparison.candidate.name} against {comparison.opponent.name},{" "}
                <Moment at={comparison.startedAt} /> to{" "}
                {comparison.ended && <Moment at={comparison.ended.at} />}: {describeCounts(comparison)} Ended
                because: {comparison.ended?.reason}.
              </li>
            ))}
          </ul>
        </details>
      )}
    </Section>
  );
}

const describeCounts = ({ asked, chosen, passedOver }: LiveComparison) =>
  `${plural(asked, "question", "questions")} with two drafts, ${chosen.toLocaleString("en")} chosen between, ${passedOver.toLocaleString("en")} passed over.`;

function Running({ comparison, mayDecide }: { comparison: LiveComparison; mayDecide: boolean }) {
  const trpc = useTRPC();
  const { refresh } = useDecision();
  const [isEnding, setIsEnding] = useState(false);
  const ending = useMutation(
    trpc.promotion.endComparison.mutationOptions({ onSuccess: () => setIsEnding(false), onSettled: refresh }),
  );
  const { candidate, opponent, share, perDay, spacing, startedBy, startedAt, reason } = comparison;
  return (
    <div className="flex flex-wrap items-start justify-between gap-3">
      <div className="space-y-1">
        <p className="flex flex-wrap items-center gap-x-3">
          <MeaningBadge meaning="candidate">challenger</MeaningBadge>
          <span className="font-medium">{candidate.name}</span>
          <span className="text-muted">against</span>
          <span className="font-medium">{opponent.name}</span>
        </p>
        <p className="tabular">{describeCounts(comparison)}</p>
        <p className="text-small text-muted">
          {share} % of questions, at most {plural(perDay, "pair", "pairs")} a person and day, one in{" "}
          {plural(spacing, "question", "questions")} of a conversation. Since <Moment at={startedAt} />
          {startedBy && `, by ${startedBy}`}: {reason}
        </p>
      </div>
      {mayDecide && (
        <Button small onClick={() => setIsEnding(true)}>
          End the comparison
        </Button>
      )}
      {isEnding && (
        <ReasonDialog
          title="End the comparison"
          description="Everybody gets one answer again. What was chosen so far keeps counting."
          act="End the comparison"
          error={ending.error}
          isBusy={ending.isPending}
          onSubmit={(reason) => ending.mutate({ reason })}
          onClose={() => setIsEnding(false)}
        />
      )}
    </div>
  );
}

const fields = [
  { name: "share", label: "Share of questions, %", value: 5, min: 0.1, max: 100, step: 0.1 },
  { name: "perDay", label: "Most a person and day", value: 2, min: 1, max: 20, step: 1 },
  {
    name: "spacing",
    label: "One in so many questions",
    value: 5,
    min: 1,
    max: 100,
    step: 1,
  },
] as const;

function StartForm({ candidate, frozen }: { candidate: PromotionCandidate; frozen: boolean }) {
  const trpc = useTRPC();
  const { refresh } = useDecision();
  const starting = useMutation(trpc.promotion.startComparison.mutationOptions({ onSettled: refresh }));
  const start = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [share, perDay, spacing] = fields.map(({ name }) => Number(form.get(name)));
    starting.mutate({
      candidateId: candidate.id,
      share,
      perDay,
      spacing,
      reason: String(form.get("reason")),
    });
  };
  return (
    <form onSubmit={start} className="max-w-xl space-y-3">
      <div className="grid gap-3 sm:grid-cols-3 sm:items-end">
        {fields.map(({ name, label, value, ...bounds }) => (
          <TextField
            key={name}
            name={name}
            label={label}
            type="number"
            defaultValue={value}
            required
            {...bounds}
          />
        ))}
      </div>
      <TextField name="reason" label="Reason for comparing" required maxLength={1000} />
      <Button type="submit" busy={starting.isPending} disabled={frozen}>
        {starting.isPending ? "Loading it…" : `Compare ${candidate.name} in chat`}
      </Button>
      {starting.error && <Notice tone="error">{errorText(starting.error)}</Notice>}
    </form>
  );
}
