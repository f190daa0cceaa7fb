/** @file After a practice task: the expected order beside one's own, and why. */
"use client";

import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { Markdown } from "@/app/_components/markdown";
import type { Explanation } from "@/server/domain/labeling/task-schema";
import type { Tiers } from "./board";
import { letterOf } from "./task-state";

type ExplanationDialogProps = {
  explanation: Explanation;
  own: Tiers;
  order: readonly string[];
  onNext: () => void;
};

export function ExplanationDialog({ explanation, own, order, onNext }: ExplanationDialogProps) {
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
            <dd>{Math.round(agreement * 100)} % of the pairs that have an expected order</dd>
          </>
        )}
      </dl>
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
