/** @file Says which policies that people meet, or may meet, learned from data that was erased or withdrawn since. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { Notice } from "@/app/_components/notice";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

export function TouchedNotice({ candidateId }: { candidateId: string | null }) {
  const trpc = useTRPC();
  const { data } = useQuery(
    trpc.promotion.touched.queryOptions({ candidateId }, { refetchInterval: 60_000 }),
  );
  if (!data || data.length === 0) return null;
  return (
    <Notice tone="warning" className="mt-3">
      <ul className="space-y-1">
        {data.map(({ checkpoint, channels, erased, withdrawn }) => (
          <li key={checkpoint.id}>
            {checkpoint.name} ({channels.length > 0 ? `on ${channels.join(", ")}` : "candidate"}) learned from
            data taken back since:{" "}
            {[
              erased > 0 && `${plural(erased, "row of its data was", "rows of its data were")} erased`,
              withdrawn > 0 &&
                `${plural(withdrawn, "ranking is", "rankings are")} of prompts that may not be used any more`,
            ]
              .filter(Boolean)
              .join(", ")}
            . A new run learns from what is left.
          </li>
        ))}
      </ul>
    </Notice>
  );
}
