/** @file Review of demonstrations: one at a time, rated by a key, the next one there at once. */
"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { ReviewedDemonstration, WaitingDemonstrations } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../_frame/section";
import { DemonstrationReview } from "./demonstration-review";

type DemonstrationsViewProps = {
  initialWaiting: WaitingDemonstrations;
  initialReviewed: ReviewedDemonstration[];
};

export function DemonstrationsView({ initialWaiting, initialReviewed }: DemonstrationsViewProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [changing, setChanging] = useState<ReviewedDemonstration | null>(null);
  const [laterIds, setLaterIds] = useState<readonly string[]>([]);
  const waiting = useQuery(
    trpc.demonstrations.waiting.queryOptions(undefined, {
      initialData: initialWaiting,
      refetchInterval: 60_000,
    }),
  );
  const reviewed = useQuery(
    trpc.demonstrations.reviewed.queryOptions(undefined, { initialData: initialReviewed }),
  );
  const { demonstrations } = waiting.data;
  // Those left for later come again when nothing else is there.
  const next =
    demonstrations.find(({ id }) => !laterIds.includes(id)) ??
    demonstrations.find(({ id }) => id !== laterIds.at(-1)) ??
    demonstrations[0];
  const shown = changing ?? next;
  const onReviewed = async (id: string) => {
    setChanging(null);
    queries.setQueryData(trpc.demonstrations.waiting.queryKey(), (before) =>
      before?.demonstrations.some((one) => one.id === id)
        ? {
            demonstrations: before.demonstrations.filter((one) => one.id !== id),
            waiting: before.waiting - 1,
          }
        : before,
    );
    await queries.invalidateQueries({ queryKey: trpc.demonstrations.pathKey() });
  };
  const error = waiting.error ?? reviewed.error;
  const last = reviewed.data[0];
  return (
    <>
      <PageTitle>Demonstrations</PageTitle>
      <p role="status" className="mt-1 max-w-[38rem] text-small text-muted tabular">
        {plural(waiting.data.waiting, "demonstration waits", "demonstrations wait")} for a review. Who wrote
        one is not shown; your own are left to others. Datasets can leave out what is rated low.
      </p>
      {error && (
        <Notice tone="error" className="mt-4">
          {errorText(error)}
        </Notice>
      )}
      {shown ? (
        <DemonstrationReview
          key={shown.id}
          demonstration={shown}
          onReviewed={() => onReviewed(shown.id)}
          onLater={() => {
            if (changing) setChanging(null);
            else setLaterIds([...laterIds.filter((id) => id !== shown.id), shown.id]);
          }}
          onLast={last && last.id !== shown.id ? () => setChanging(last) : null}
        />
      ) : (
        <p className="mt-6 max-w-[38rem] text-muted">
          None waits for you. They come from batches of demonstrations, and from labelers who found no
          response acceptable.
        </p>
      )}
      <Section
        title="Reviewed by you"
        text="The last ten. A changed rating holds for datasets made from then on; what you gave back is in none until it is written again."
      >
        {reviewed.data.length === 0 ? (
          <p className="text-muted">Nothing yet.</p>
        ) : (
          <ol className="max-w-[46rem] divide-y divide-line border-y border-line">
            {reviewed.data.map((one) => (
              <li key={one.id} className="flex items-start gap-4 py-2">
                <p className="w-10 shrink-0 font-medium tabular">
                  {one.isReturned ? "back" : `${one.rating}/7`}
                </p>
                <div className="min-w-0 grow">
                  <p className="line-clamp-1 break-words">
                    {one.isSensitive ? "Sensitive text" : one.prompt.at(-1)?.content}
                  </p>
                  <p className="text-small text-muted">
                    {one.reviewedAt && <Moment at={one.reviewedAt} />}
                    {one.note !== "" && ` · ${one.note}`}
                  </p>
                </div>
                <Button
                  small
                  aria-label={
                    one.isReturned ? "Rate what was given back" : `Change the rating ${one.rating} of 7`
                  }
                  onClick={() => setChanging(one)}
                >
                  {one.isReturned ? "Rate it" : "Change"}
                </Button>
              </li>
            ))}
          </ol>
        )}
      </Section>
    </>
  );
}
