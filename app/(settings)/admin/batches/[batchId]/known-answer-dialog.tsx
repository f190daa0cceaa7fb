/** @file What a task is to be answered: its order with ties, its flags and why; or an expert's ranking taken over. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextArea } from "@/app/_components/field";
import { Markdown } from "@/app/_components/markdown";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { Inputs, KnownAnswer } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { letterOf } from "@/app/_lib/letter-of";
import { useTRPC } from "@/app/_lib/trpc";
import { PromptSections, RankField } from "./task-parts";
import { toTiers } from "./to-tiers";

export function KnownAnswerDialog({ taskId, onClose }: { taskId: string; onClose: () => void }) {
  const trpc = useTRPC();
  // Not kept: an answer changed elsewhere would be written over from a stale one.
  const { data, error } = useQuery(trpc.qualification.knownAnswer.queryOptions({ taskId }, { gcTime: 0 }));
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title="Known answer"
      description="What labelers are compared with. In work they do not see that the task has one, and its rankings train nothing."
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {data && <AnswerForm key={taskId} task={data} onDone={onClose} />}
    </Dialog>
  );
}

type Flags = NonNullable<Inputs["qualification"]["setKnownAnswer"]["flags"]>;

function AnswerForm({ task, onDone }: { task: KnownAnswer; onDone: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const { taskId, responses, batch } = task;
  const [ranks, setRanks] = useState(task.answer.ranks);
  const [flags, setFlags] = useState<Flags>(task.answer.flags ?? {});
  const [explanation, setExplanation] = useState(task.explanation);
  const finish = async (text: string) => {
    toast({ text });
    await Promise.all(
      [trpc.batches.pathKey(), trpc.qualification.pathKey()].map((queryKey) =>
        queries.invalidateQueries({ queryKey }),
      ),
    );
    onDone();
  };
  const setting = useMutation(
    trpc.qualification.setKnownAnswer.mutationOptions({
      onSuccess: () => finish("The known answer is kept."),
    }),
  );
  const removing = useMutation(
    trpc.qualification.removeKnownAnswer.mutationOptions({
      onSuccess: () => finish("The task has no known answer any more."),
    }),
  );
  const error = setting.error ?? removing.error;
  const tiers = toTiers(
    responses.map(({ id }) => id),
    ranks,
  );
  return (
    <form
      className="space-y-5"
      onSubmit={(event) => {
        event.preventDefault();
        if (tiers) setting.mutate({ taskId, tiers, flags: batch.hasRatings ? flags : null, explanation });
      }}
    >
      <PromptSections messages={task.messages} />
      <Offered
        task={task}
        onTake={(offer) => {
          setRanks(offer.ranks);
          if (offer.flags) setFlags(offer.flags);
        }}
      />
      {responses.map(({ id, text }, index) => (
        <section key={id} aria-label={`Response ${letterOf(index)}`} className="border-t border-line pt-3">
          <div className="flex items-end justify-between gap-3">
            <h3 className="font-medium">{letterOf(index)}</h3>
            <RankField
              letter={letterOf(index)}
              rank={ranks[id]}
              count={responses.length}
              onChange={(rank) => setRanks({ ...ranks, [id]: rank })}
            />
          </div>
          <div className="mt-2 break-words">
            <Markdown text={text} />
          </div>
          {batch.hasRatings && (
            <FlagChoice
              letter={letterOf(index)}
              chosen={flags[id] ?? []}
              onChange={(chosen) => setFlags({ ...flags, [id]: chosen })}
            />
          )}
        </section>
      ))}
      <TextArea
        label="Explanation"
        hint="Shown after practice, beside the expected order. Markdown."
        maxLength={5_000}
        value={explanation}
        onChange={({ target }) => setExplanation(target.value)}
      />
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      <div className="flex flex-wrap items-center gap-2">
        <Button type="submit" look="primary" busy={setting.isPending} disabled={tiers === null}>
          Keep as the known answer
        </Button>
        {task.isGold && (
          <Button look="danger" busy={removing.isPending} onClick={() => removing.mutate({ taskId })}>
            Remove it
          </Button>
        )}
        {tiers === null && (
          <p className="text-small text-muted">Give every response a rank; equal ranks are ties.</p>
        )}
      </div>
    </form>
  );
}

type Offer = KnownAnswer["offered"][number];

const kinds: Record<Offer["kind"], string> = {
  adjudication: "adjudication",
  labeler: "labeler",
  imported: "imported",
};

function Offered({ task, onTake }: { task: KnownAnswer; onTake: (offer: Offer) => void }) {
  if (task.offered.length === 0) return null;
  const letter = (id: string) => letterOf(task.responses.findIndex((response) => response.id === id));
  const orderOf = ({ ranks }: Offer) =>
    (toTiers(Object.keys(ranks), ranks) ?? []).map((tier) => tier.map(letter).sort().join(" = ")).join(" > ");
  return (
    <section aria-label="Rankings that may be taken over" className="border-t border-line pt-3">
      <h3 className="font-medium">Take a ranking over</h3>
      <ul className="mt-1 space-y-1">
        {task.offered.map((offer) => (
          <li key={offer.rankingId} className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <Button small aria-label={`Take over the ranking of ${offer.by}`} onClick={() => onTake(offer)}>
              Take over
            </Button>
            <span className="font-mono">{orderOf(offer)}</span>
            <span className="text-small text-muted">
              {offer.by}, {kinds[offer.kind]}
              {offer.flags ? ", with flags" : ""}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

type FlagKey = Flags[string][number];
type FlagChoiceProps = { letter: string; chosen: FlagKey[]; onChange: (chosen: FlagKey[]) => void };

function FlagChoice({ letter, chosen, onChange }: FlagChoiceProps) {
  const trpc = useTRPC();
  const { data: flags } = useQuery(trpc.labeling.flags.queryOptions(undefined, { staleTime: Infinity }));
  const names = (flags ?? []).filter(({ key }) => chosen.includes(key)).map(({ label }) => label);
  return (
    <details className="mt-2">
      <summary className="text-small text-muted">
        Flags of {letter}: {names.length === 0 ? "none" : names.join(", ")}
      </summary>
      <div className="mt-1 grid gap-x-4 sm:grid-cols-2">
        {(flags ?? []).map(({ key, label }) => (
          <label key={key} className="flex min-h-7 items-center gap-2.5 text-small">
            <input
              type="checkbox"
              checked={chosen.includes(key)}
              onChange={({ target }) =>
                onChange(target.checked ? [...chosen, key] : chosen.filter((one) => one !== key))
              }
            />
            {label}
          </label>
        ))}
      </div>
    </details>
  );
}
