/** @file After a practice task: the expected order and flags beside one's own, where they differ, and why. */
"use client";

import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { Markdown } from "@/app/_components/markdown";
import type { Explanation } from "@/server/domain/labeling/task-schema";
import type { Tiers } from "./board";
import type { Flags } from "./rating-step";
import { letterOf } from "./task-state";

type ExplanationDialogProps = {
  explanation: Explanation;
  own: Tiers;
  order: readonly string[];
  flags: Flags;
  onNext: () => void;
};

export function ExplanationDialog({ explanation, own, order, flags, onNext }: ExplanationDialogProps) {
  const { agreement, expected, text } = explanation;
  const written = (tiers: Tiers) =>
    tiers.map((tier) => tier.map((id) => letterOf(order, id)).join(" = ")).join(" > ");
  return (
    <Dialog open wide onOpenChange={(open) => !open && onNext()} title="How this one was meant">
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
        <dt className="text-muted">Expected</dt>
        <dd className="font-medium">{written(expected)}</dd>
        <dt className="text-muted">Yours</dt>
        <dd className="font-medium">{written(own)}</dd>
        {agreement !== null && (
          <>
            <dt className="text-muted">Agreement</dt>
            <dd>{Math.round(agreement * 100)} % of the pairs that have an expected order; a tie is a miss</dd>
          </>
        )}
      </dl>
      <Differences explanation={explanation} order={order} flags={flags} />
      {text !== "" && (
        <div className="mt-3">
          <Markdown text={text} />
        </div>
      )}
      <div className="mt-4">
        <Button look="primary" onClick={onNext}>
          Next task
        </Button>
      </div>
    </Dialog>
  );
}

function Differences({
  explanation,
  order,
  flags,
}: Pick<ExplanationDialogProps, "explanation" | "order" | "flags">) {
  const { missed, flags: flagged } = explanation;
  const letter = (id: string) => letterOf(order, id);
  const names = (keys: readonly string[]) =>
    keys.length === 0
      ? "none"
      : keys.map((key) => flags.find((flag) => flag.key === key)?.label ?? key).join(", ");
  if (missed.length === 0 && flagged.length === 0) return <p className="mt-3">Yours says the same.</p>;
  return (
    <section className="mt-3">
      <h3 className="font-medium">Where you differed</h3>
      <ul className="mt-1 list-disc space-y-1 pl-5">
        {missed.map(({ better, worse, was }) => (
          <li key={`${better} ${worse}`}>
            {letter(better)} is better than {letter(worse)}; you{" "}
            {was === "tied" ? "tied them" : `put ${letter(worse)} first`}.
          </li>
        ))}
        {flagged.map(({ id, expected, given }) => (
          <li key={id}>
            Flags of {letter(id)}: {names(expected)}; you set {names(given)}.
          </li>
        ))}
      </ul>
    </section>
  );
}
