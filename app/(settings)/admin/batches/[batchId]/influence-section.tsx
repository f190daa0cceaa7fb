/** @file What the rankings of a task shaped: the snapshots that hold them, reward models and policies that learned from those. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { TaskInfluence } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

export function InfluenceSection({ taskId }: { taskId: string }) {
  const trpc = useTRPC();
  const { data, error } = useQuery(trpc.batches.influence.queryOptions({ taskId }));
  if (error) return <Notice tone="error">{errorText(error)}</Notice>;
  if (!data || data.rankings + data.earlierInSnapshots === 0) return null;
  return (
    <section aria-label="What it shaped" className="border-t border-line pt-3">
      <h3 className="font-medium">What it shaped</h3>
      <p className="text-small text-muted">{describeUse(data)}</p>
      {[...data.rewardModels, ...data.policies].length > 0 && (
        <ul className="mt-2 space-y-1">
          {[...data.rewardModels, ...data.policies].map((model) => (
            <li key={model.id} className="flex flex-wrap items-baseline gap-x-3">
              <span className="font-medium">{model.name}</span>
              <span className="text-small text-muted">
                {model.stage === "reward" ? "reward model" : "policy"}
                {model.run !== null && `, run ${model.run}`}
              </span>
              {model.channels.map((channel) => (
                <MeaningBadge key={channel} meaning={channel === "live" ? "live" : "candidate"}>
                  {channel}
                </MeaningBadge>
              ))}
              {model.liveSince[0] && (
                <span className="text-small text-muted">
                  first live <Moment at={model.liveSince[0]} withTime={false} />
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function describeUse({ rankings, inSnapshots, earlierInSnapshots, snapshots }: TaskInfluence): string {
  if (snapshots.length === 0) {
    return `${plural(rankings, "ranking", "rankings")}, in no snapshot yet: no model learned from it.`;
  }
  const names = snapshots.map(({ name }) => name).join(", ");
  const earlier =
    earlierInSnapshots > 0
      ? ` ${plural(earlierInSnapshots, "earlier version", "earlier versions")} of them, changed since, too.`
      : "";
  return `${inSnapshots.toLocaleString("en")} of ${plural(rankings, "ranking", "rankings")} ${inSnapshots === 1 ? "is" : "are"} in ${names}.${earlier}`;
}
