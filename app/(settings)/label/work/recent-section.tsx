/** @file Recent rankings: those a lead gave back first, each to be reopened until a dataset has taken it. */
"use client";

import { useMutation, useQuery } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { Button } from "@/app/_components/button";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { OwnRanking } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatDuration } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "@/app/(settings)/_frame/section";

export function RecentSection({ initialRecent }: { initialRecent: OwnRanking[] }) {
  const trpc = useTRPC();
  const router = useRouter();
  const { data: recent } = useQuery(
    trpc.labeling.recent.queryOptions(undefined, { initialData: initialRecent }),
  );
  const reopening = useMutation(
    // The console shows whatever is open.
    trpc.labeling.reopen.mutationOptions({ onSuccess: () => router.push("/label") }),
  );
  return (
    <Section
      title="Recent rankings"
      text="You can do one again until a dataset is made of it; the earlier version is kept."
    >
      {reopening.error && <Notice tone="error">{errorText(reopening.error)}</Notice>}
      {recent.length === 0 ? (
        <p className="text-muted">Nothing yet. What you submit is listed here.</p>
      ) : (
        <ol className="max-w-[46rem] divide-y divide-line border-y border-line">
          {recent.map(
            ({ rankingId, promptStart, submittedAt, activeMs, status, returnedComment, canReopen }) => (
              <li key={rankingId} className="flex items-start gap-4 py-2">
                <div className="min-w-0 grow">
                  <p className="line-clamp-1">{promptStart}</p>
                  <p className="text-small text-muted">
                    <Moment at={submittedAt} /> · {formatDuration(activeMs / 1000)} active
                    {!canReopen && " · closed: a dataset has it, or its prompt was withdrawn"}
                  </p>
                  {status === "returned" && (
                    <Notice tone="warning" className="mt-1">
                      <span className="font-medium">Given back: </span>
                      {returnedComment}
                    </Notice>
                  )}
                </div>
                {canReopen && (
                  <Button
                    small
                    className="shrink-0 whitespace-nowrap"
                    look={status === "returned" ? "primary" : "plain"}
                    busy={reopening.isPending}
                    aria-label={`Do again: ${promptStart}`}
                    onClick={() => reopening.mutate({ rankingId })}
                  >
                    Do again
                  </Button>
                )}
              </li>
            ),
          )}
        </ol>
      )}
    </Section>
  );
}
